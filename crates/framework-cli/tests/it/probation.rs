//! A configuration has to prove itself, and what has is there on a bad day.

use std::{fs, os::unix::net::UnixListener, sync::Arc, time::Duration};

use framework_config::{Config, ConfigExt as _, Settings};
use framework_core::{Check, Context, Health, Module, Phase, module_fn};
use framework_observability::{HealthBoard, HealthExt as _};
use rustix::process::{Pid, Signal, kill_process};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::process::{Process, say};

const SOON: Duration = Duration::from_secs(2);

/// What can be broken.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct FragileSettings {
    /// Whether it works.
    works: bool,
    /// What it is called.
    name: String,
}

impl Default for FragileSettings {
    fn default() -> Self {
        Self { works: true, name: "first".to_owned() }
    }
}

impl Settings for FragileSettings {}

/// Does what its section says.
struct Works(Config<FragileSettings>);

impl Check for Works {
    async fn check(&self, _cx: &Context) -> Health {
        match self.0.get().works {
            true => Health::healthy(),
            false => Health::unhealthy("somebody has broken it"),
        }
    }
}

/// Is not well when its section says so. Where somebody listens at `hold`, it starts when that one
/// lets it.
pub(crate) fn fragile() -> impl Module {
    module_fn("fragile", |reg| {
        let settings = reg.config::<FragileSettings>("fragile");
        reg.setup("wait", |_cx| async {
            say(&format!("process {} starts", std::process::id()));
            if let Ok(held) = tokio::net::UnixStream::connect("hold").await {
                held.readable().await?;
            }
            Ok(())
        });
        reg.health("works", Works(settings.clone()));
        reg.run("follow", move |cx| async move {
            let mut changes = settings.watch();
            Ok(async move {
                loop {
                    tokio::select! {
                        () = cx.shutdown() => return Ok(()),
                        changed = changes.next() => {
                            let FragileSettings { works, name } = &*changed.new;
                            say(&format!("works {works}, named {name}"));
                        }
                    }
                }
            })
        });
    })
}

/// Says how it is once it is ready.
pub(crate) fn kept() -> impl Module {
    module_fn("kept", |reg| {
        reg.config::<FragileSettings>("fragile");
        let board = reg.need::<HealthBoard>();
        reg.run("tell", move |cx| async move {
            Ok(async move {
                cx.lifecycle().reached(Phase::Ready).await;
                let board = cx.get(&board);
                let details: Vec<_> =
                    board.checks().into_iter().filter_map(|check| check.detail).collect();
                say(&format!("{} {details:?}", board.status().as_str()));
                cx.shutdown().await;
                Ok(())
            })
        });
    })
}

#[test]
fn what_makes_a_module_unready_is_taken_back_in_a_running_application() {
    // The checks run every 30 s, but for what has just changed.
    let args = "--set config.watch=false --set health.fail_after=1 --set health.pass_after=1";
    let mut process = Process::start("fragile", args);
    process.until("test is ready");
    process.write("config/app.toml", "[fragile]\nworks = false\n");
    process.signal(Signal::HUP);
    process.until("said: works false");
    process.until("it made `fragile`: works: somebody has broken it");
    process.until("said: works true");
    process.signal(Signal::HUP);
    process.until("it is refused until it changes");
    process.signal(Signal::TERM);
    assert_eq!(process.ends_within(SOON).0, 0);
}

#[test]
fn what_makes_a_module_of_one_worker_unready_is_taken_back_by_all() {
    let args = "--cluster=2 --set config.watch=false --set health.fail_after=1 --set \
                health.pass_after=1 --set cluster.slots.1.env.WORKS=false";
    let mut process = Process::start("fragile", args);
    process.until("\"workers\":\"2\"");
    let text = "[fragile]\nworks = \"${env:WORKS:-true}\"\nname = \"second\"\n";
    process.write("config/app.toml", text);
    process.signal(Signal::HUP);
    process.until_each(&["said: works true, named second", "said: works false, named second"]);
    process.until_times("said: works true, named first", 2);
    // Both workers say so, and the primary.
    let cause = "in worker 1, it made `fragile`: works: somebody has broken it";
    process.until_times(cause, 3);
    process.signal(Signal::HUP);
    process.until("it is refused until it changes");
    process.signal(Signal::TERM);
    assert_eq!(process.ends_within(SOON).0, 0);
}

#[test]
fn a_worker_that_was_not_ready_at_a_reload_reads_its_configuration_again_when_it_is() {
    let args = "--cluster=2 --set config.watch=false --set cluster.restart.backoff=0s";
    let mut process = Process::start("fragile", args);
    process.until("\"workers\":\"2\"");
    let starts = |line: &&str| line.starts_with("said: process ");
    let first = process.seen().find(starts).unwrap().split(' ').nth(2).unwrap().to_owned();
    let hold = UnixListener::bind(process.path().join("hold")).unwrap();
    kill_process(Pid::from_raw(first.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    // Whoever comes in its place has read the old one, and waits.
    let (held, _) = hold.accept().unwrap();
    process.write("config/app.toml", "[fragile]\nname = \"second\"\n");
    process.signal(Signal::HUP);
    let (second, applied) = ("said: works true, named second", "\"outcome\":\"applied\"");
    // Several processes say so, in whatever order.
    process.until_each(&[second, applied]);
    drop(held);
    process.until_times(second, 2);
    process.until_times(applied, 2);
    process.signal(Signal::TERM);
    assert_eq!(process.ends_within(SOON).0, 0);
}

#[test]
fn an_application_starts_on_what_was_good_last_only_if_that_is_wanted_and_says_so() {
    let place = Arc::new(tempfile::tempdir().unwrap());
    let file = place.path().join("config/app.toml");
    fs::create_dir(place.path().join("config")).unwrap();
    fs::write(&file, "[fragile]\nworks = true\n").unwrap();
    let mut process = Process::start_at(&place, "kept", "--set config.confirm=100ms");
    process.until_each(&["said: healthy []", "has proved good, and is kept"]);
    process.signal(Signal::TERM);
    assert_eq!(process.ends_within(SOON).0, 0);
    assert!(place.path().join(".state/test/last-good-local.json").exists());

    for broken in ["[fragile\n", "[fragile]\nwroks = true\n", "[telemetry]\nlog = 5\n"] {
        fs::write(&file, broken).unwrap();
        let (code, said) = Process::start_at(&place, "kept", "").ends_within(SOON);
        assert_eq!(code, 78, "{said}");
        assert!(
            said.contains("start with it by `--last-good`, or TEST_CONFIG__BOOT=last_good"),
            "{said}"
        );

        let (code, said) = Process::start_at(&place, "kept", "check --last-good").ends_within(SOON);
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("the files are broken: this is about the configuration that"),
            "{said}"
        );

        let args = "config set fragile.works=true --last-good";
        let (code, said) = Process::start_at(&place, "kept", args).ends_within(SOON);
        assert_eq!((code, fs::read_to_string(&file).unwrap().as_str()), (78, broken), "{said}");

        let mut process = Process::start_at(&place, "kept", "--last-good");
        process.until_each(&[
            "\"message\":\"the files are broken: running on the configuration that was good last",
            "said: degraded [\"the files are broken: running on",
        ]);
        process.signal(Signal::TERM);
        assert_eq!(process.ends_within(SOON).0, 0);
    }
}
