//! An application in a process of its own: this test binary, called again.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use framework_app::{App, AppBuilder};
use framework_process::tasks::ProcessPoolModule;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Names the application that the process is to be.
const APP: &str = "CLI_TEST_APP";

/// What separates the arguments of the application.
const ARGS: &str = "CLI_TEST_ARGS";

/// How long anything may take before the test has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// A running application.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
    // Without any files of configuration, unless the test writes some.
    place: Arc<TempDir>,
}

/// The applications by name.
fn app(name: &str) -> AppBuilder {
    let app = App::builder("test");
    match name {
        "slow-start" => app.module(crate::serve::slow_start()),
        "slow-register" => app.module(crate::serve::slow_register()),
        "stubborn" => app.module(crate::serve::stubborn()),
        "failing" => app.module(crate::serve::failing()),
        "fragile" => app.module(crate::probation::fragile()),
        "kept" => app.module(crate::probation::kept()),
        "pool" => app.module(crate::reload::pool()),
        "tasks" => app.modules((crate::tasks::tasks(), ProcessPoolModule::new())),
        "full-disk" => app.module(crate::serve::full_disk()),
        fault if fault.starts_with("fault-") => {
            app.module(crate::faults::modules(&fault["fault-".len()..]))
        }
        other => panic!("no application is called {other}"),
    }
}

/// No test, but the process that tests start.
#[test]
#[expect(clippy::exit, clippy::disallowed_methods, reason = "the exit code is what is tested")]
fn the_process() {
    let Ok(name) = env::var(APP) else { return };
    let args = env::var(ARGS).unwrap();
    let args = std::iter::once("test").chain(args.split(' ').filter(|arg| !arg.is_empty()));
    let exit = framework_cli::run(app(&name), args, &mut framework_cli::Console::process());
    std::process::exit(exit.code().into());
}

/// Writes a line that a test waits for.
pub(crate) fn say(line: &str) {
    // At once: other processes write into the same pipe, and there may be no log yet.
    io::stderr().write_all(format!("said: {line}\n").as_bytes()).unwrap();
}

impl Process {
    pub(crate) fn start(name: &str, args: &str) -> Self {
        Self::start_at(&Arc::new(tempfile::tempdir().unwrap()), name, args)
    }

    /// Starts where another process was, or where there are files already.
    pub(crate) fn start_at(place: &Arc<TempDir>, name: &str, args: &str) -> Self {
        let place = Arc::clone(place);
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["process::the_process", "--exact", "--nocapture"])
            .env_clear()
            .env(APP, name)
            .env(ARGS, args)
            .current_dir(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // Ends with the process, which closes its end of the pipe.
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines, seen: Vec::new(), place }
    }

    /// Waits for a line.
    pub(crate) fn until(&mut self, needle: &str) {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("{error} before {needle:?}: {:#?}", self.seen),
            }
            if self.seen.last().is_some_and(|line| line.contains(needle)) {
                return;
            }
        }
    }

    /// All lines until now.
    pub(crate) fn seen(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().map(String::as_str)
    }

    /// Where it runs.
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Waits for several lines, in whatever order they come.
    pub(crate) fn until_each(&mut self, needles: &[&str]) {
        for needle in needles {
            if !self.seen.iter().any(|line| line.contains(needle)) {
                self.until(needle);
            }
        }
    }

    /// Waits until there were so many of a line.
    pub(crate) fn until_times(&mut self, needle: &str, times: usize) {
        while self.seen().filter(|line| line.contains(needle)).count() < times {
            self.until(needle);
        }
    }

    /// Puts a file where the application runs, as a whole: one that is cut to nothing and then
    /// written is empty for a moment, which is a configuration like any other.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let whole = self.place.path().join("written");
        fs::write(&whole, text).unwrap();
        fs::rename(whole, path).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Lets an application go on that waits for it.
    pub(crate) fn go_on(&mut self) {
        self.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }

    /// Waits for the end, and fails if that takes longer than `limit`. Returns the exit code, and
    /// all that was said.
    pub(crate) fn ends_within(mut self, limit: Duration) -> (i32, String) {
        loop {
            match self.lines.recv_timeout(limit) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("still running: {:#?}", self.seen),
            }
        }
        (self.child.wait().unwrap().code().unwrap(), self.seen.join("\n"))
    }
}

/// Whatever becomes of the test, its process ends.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
