use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before the test has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// A directory to run the application in, with the files that a test puts there.
pub(crate) struct Place {
    dir: TempDir,
}

/// What a process said and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A process that runs until the test has seen enough of it.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    pub(crate) http: String,
    pub(crate) admin: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The application with these arguments, and an environment of the test's own. Each address
    /// has a free port.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hello"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.env("HELLO_HTTP__ADDR", "127.0.0.1:0").env("HELLO_ADMIN__ADDR", "127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the application to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        wait(self.command(args).spawn().unwrap())
    }

    /// Runs the application until it is ready.
    pub(crate) fn serve(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }
}

/// Runs the application to its end, in a directory without files.
pub(crate) fn run(args: &[&str]) -> Ended {
    Place::new().run(args)
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // Ends with the process, which closes its end of the pipe.
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let (http, admin) = (String::new(), String::new());
        let mut running = Self { child, lines, seen: Vec::new(), http, admin };
        let ready = running.until("hello is ready");
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let addresses = ready["fields"]["addresses"].as_str().unwrap().to_owned();
        let of = |module: &str| {
            let find =
                |address: &str| address.strip_prefix(module)?.strip_prefix('=').map(str::to_owned);
            addresses.split(' ').find_map(find).unwrap_or_default()
        };
        (running.http, running.admin) = (of("http"), of("admin"));
        running
    }

    /// Waits for a line of the log.
    pub(crate) fn until(&mut self, needle: &str) -> String {
        loop {
            let line = match self.lines.recv_timeout(LIMIT) {
                Ok(line) => line,
                Err(error) => panic!("{error} before {needle:?}: {:#?}", self.seen),
            };
            self.seen.push(line.clone());
            if line.contains(needle) {
                return line;
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end, and fails if that takes longer than `limit`.
    pub(crate) fn ends_within(mut self, limit: Duration) -> Ended {
        // The log ends when the process does.
        loop {
            match self.lines.recv_timeout(limit) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("still running: {:#?}", self.seen),
            }
        }
        let code = self.child.wait().unwrap().code();
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        Ended { code, out, err: self.seen.join("\n") }
    }
}

/// Whatever becomes of the test, its process ends.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(child: Child) -> Ended {
    let pid = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(LIMIT) else {
        let _ = kill_process(pid, Signal::KILL);
        panic!("the process did not end within {LIMIT:?}");
    };
    let output = output.unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
