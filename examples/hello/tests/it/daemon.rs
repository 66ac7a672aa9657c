use std::fs;

use rustix::process::Pid;
use serde_json::Value;

use crate::process::{Ended, Place};

/// A daemon, which is stopped whatever becomes of the test.
pub(crate) struct Daemon {
    pub(crate) place: Place,
}

impl Daemon {
    pub(crate) fn start(place: Place) -> Self {
        Self::start_with(place, &[])
    }

    pub(crate) fn start_with(place: Place, args: &[&str]) -> Self {
        let ended = place.run(&[&["serve", "--detach", "--pid-file", "app.pid"], args].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.starts_with("ok: hello runs in the background as process "), "{ended:?}");
        Self { place }
    }

    pub(crate) fn ask(&self, args: &[&str]) -> Ended {
        self.place.run(&[args, &["--pid-file", "app.pid"]].concat())
    }

    pub(crate) fn status(&self) -> Value {
        let ended = self.ask(&["status", "--json"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.out).unwrap()
    }

    pub(crate) fn http(&self) -> String {
        self.address("http=")
    }

    pub(crate) fn admin(&self) -> String {
        self.address("admin=")
    }

    fn address(&self, module: &str) -> String {
        let status = self.status();
        let mut addresses = status["addresses"].as_array().unwrap().iter();
        let found = addresses.find_map(|it| it.as_str().unwrap().strip_prefix(module));
        found.unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> Pid {
        let text = fs::read_to_string(self.place.path().join("app.pid")).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.ask(&["stop"]);
    }
}
