//! An application that runs next to this tool, seen from outside: a process, a port and signals.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::stopwatch::{Stopwatch, pause};

/// How often a process or a port is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);

/// A child process, which is killed if it is dropped before it has ended.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    log: Option<PathBuf>,
}

/// An application did not do what every application does.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunningError {
    #[error("cannot start `{}`", binary.display())]
    Start { binary: PathBuf, source: io::Error },
    #[error("`{name}` ended with {status} before it answered; its last words:\n{log}")]
    Ended { name: String, status: ExitStatus, log: String },
    #[error(
        "`{name}` did not answer `GET {path}` with 200 within {limit:?}, {last}; its last words:\n{log}"
    )]
    Silent { name: String, path: String, limit: Duration, last: String, log: String },
    #[error("`{name}` still ran {limit:?} after SIGTERM; its last words:\n{log}")]
    Unstoppable { name: String, limit: Duration, log: String },
    #[error("`{name}` ended with {status} after SIGTERM; its last words:\n{log}")]
    Unclean { name: String, status: ExitStatus, log: String },
    #[error("cannot watch `{name}`")]
    Watch { name: String, source: io::Error },
}

// ===== impl Running =====

impl Running {
    /// Starts `binary` in `dir`, talking to the terminal but not hearing its Ctrl-C: that comes to
    /// this tool, and a second signal would cut short how the application stops.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started.
    pub(crate) fn start(binary: &Path, dir: &Path) -> Result<Self, RunningError> {
        let mut command = Command::new(binary);
        command.current_dir(dir).stdin(Stdio::null()).process_group(0);
        Self::spawn(&mut command, binary, None)
    }

    /// Starts `binary` in `dir`, talking to a file in there, with variables added to its
    /// environment.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started.
    pub(crate) fn start_quietly(
        binary: &Path,
        dir: &Path,
        env: &[(String, String)],
    ) -> Result<Self, RunningError> {
        let failed = |source| RunningError::Start { binary: binary.to_owned(), source };
        let log = dir.join("output.log");
        let stdout = File::create(&log).map_err(failed)?;
        let stderr = stdout.try_clone().map_err(failed)?;
        let mut command = Command::new(binary);
        command.current_dir(dir).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        Self::spawn(&mut command, binary, Some(log))
    }

    fn spawn(
        command: &mut Command,
        binary: &Path,
        log: Option<PathBuf>,
    ) -> Result<Self, RunningError> {
        let name = binary.file_name().unwrap_or(binary.as_os_str()).display().to_string();
        let child = command.spawn();
        let child =
            child.map_err(|source| RunningError::Start { binary: binary.to_owned(), source })?;
        Ok(Self { name, child, log })
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system does not say.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, RunningError> {
        let ended = self.child.try_wait();
        ended.map_err(|source| RunningError::Watch { name: self.name.clone(), source })
    }

    /// Asks again and again until `path` answers 200, and returns the whole answer.
    ///
    /// # Errors
    ///
    /// Returns an error if the process ends first, or `limit` is over.
    pub(crate) fn answer(
        &mut self,
        addr: SocketAddr,
        path: &str,
        limit: Duration,
    ) -> Result<String, RunningError> {
        let begun = Stopwatch::start();
        loop {
            let last = match get(addr, path) {
                Ok(answer) if status(&answer) == Some(200) => return Ok(answer),
                Ok(answer) => format!("but said `{}`", answer.lines().next().unwrap_or_default()),
                Err(error) => format!("but: {error}"),
            };
            if let Some(status) = self.ended()? {
                return Err(RunningError::Ended {
                    name: self.name.clone(),
                    status,
                    log: self.log(),
                });
            }
            if begun.is_past(limit) {
                let (name, path) = (self.name.clone(), path.to_owned());
                return Err(RunningError::Silent { name, path, limit, last, log: self.log() });
            }
            pause(LOOK);
        }
    }

    /// Sends SIGTERM, waits for the end, and kills it when `limit` is over.
    ///
    /// # Errors
    ///
    /// Returns an error if it does not end in time, or not with 0.
    pub(crate) fn stop(mut self, limit: Duration) -> Result<(), RunningError> {
        let asked = Stopwatch::start();
        self.ask_to_stop()?;
        loop {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let (name, log) = (self.name.clone(), self.log());
                    return Err(RunningError::Unclean { name, status, log });
                }
                None if asked.is_past(limit) => {
                    let (name, log) = (self.name.clone(), self.log());
                    return Err(RunningError::Unstoppable { name, limit, log });
                }
                None => pause(LOOK),
            }
        }
    }

    fn ask_to_stop(&mut self) -> Result<(), RunningError> {
        // An ended child is still ours to reap, so its id cannot belong to anyone else yet.
        kill_process(Pid::from_child(&self.child), Signal::TERM)
            .map_err(|error| RunningError::Watch { name: self.name.clone(), source: error.into() })
    }

    /// The last lines it said, if it talks to a file.
    fn log(&self) -> String {
        let Some(log) = &self.log else { return String::new() };
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(|line| format!("    | {line}")).collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this machine that nobody listens on.
///
/// # Errors
///
/// Returns an error if no port is left.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn get(addr: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, REQUEST)?;
    stream.set_read_timeout(Some(REQUEST))?;
    stream.set_write_timeout(Some(REQUEST))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// A shell stands for the application.
    fn shell(dir: &Path, script: &str) -> Running {
        let path = dir.join("app");
        fs::write(&path, script).unwrap();
        let mut command = Command::new("/bin/sh");
        let log = dir.join("output.log");
        command.arg(&path).stdout(File::create(&log).unwrap());
        Running::spawn(&mut command, &path, Some(log)).unwrap()
    }

    /// Waits until the application has said something, so that its traps are set.
    fn wait_for_words(app: &Running) {
        while app.log().is_empty() {
            thread::yield_now();
        }
    }

    fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                // The request is small: it comes in one piece.
                let _ = stream.read(&mut [0; 1024]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        addr
    }

    #[test]
    fn an_application_is_asked_until_it_answers_with_200() {
        let dir = tempfile::tempdir().unwrap();
        let mut app = shell(dir.path(), "exec sleep 60");
        let addr = server(&["HTTP/1.1 503 Not yet\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhello"]);
        assert!(app.answer(addr, "/", LONG).unwrap().ends_with("hello"));
    }

    #[test]
    fn an_application_that_ends_instead_of_answering_is_an_error_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut app = shell(dir.path(), "echo no configuration; exit 78");
        let error = app.answer(free_address().unwrap(), "/", LONG).unwrap_err().to_string();
        assert!(error.contains("exit status: 78"), "{error}");
        assert!(error.contains("    | no configuration"), "{error}");
    }

    #[test]
    fn an_application_that_never_answers_is_an_error_that_says_what_it_said_last() {
        let dir = tempfile::tempdir().unwrap();
        let mut app = shell(dir.path(), "exec sleep 60");
        let addr = server(&["HTTP/1.1 503 Not yet\r\n\r\n"]);
        let error = app.answer(addr, "/readyz", Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("`GET /readyz`"), "{error}");
        assert!(error.contains("HTTP/1.1 503 Not yet"), "{error}");
    }

    #[test]
    fn an_application_that_stops_when_told_is_clean() {
        let dir = tempfile::tempdir().unwrap();
        let script = "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done";
        let app = shell(dir.path(), script);
        wait_for_words(&app);
        app.stop(LONG).unwrap();
    }

    #[test]
    fn an_application_that_stops_with_an_error_is_not_clean() {
        let dir = tempfile::tempdir().unwrap();
        let script = "trap 'exit 124' TERM; echo up; while :; do sleep 0.01; done";
        let app = shell(dir.path(), script);
        wait_for_words(&app);
        let error = app.stop(LONG).unwrap_err().to_string();
        assert!(error.contains("exit status: 124 after SIGTERM"), "{error}");
    }

    #[test]
    fn an_application_that_does_not_stop_is_an_error_and_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo up; while :; do sleep 0.01; done";
        let app = shell(dir.path(), script);
        wait_for_words(&app);
        let pid = app.child.id();
        let error = app.stop(Duration::from_millis(1)).unwrap_err();
        assert!(matches!(error, RunningError::Unstoppable { .. }), "{error}");
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
