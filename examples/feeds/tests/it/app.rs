//! The real binary, in a directory of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    task::JoinSet,
    time::timeout,
};

use crate::client::Client;

/// This machine under another name: tests allow it, and nothing else that is private.
pub(crate) const ALLOWED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A running application, which is killed when the test ends.
pub(crate) struct App {
    process: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
    // Keeps on reading the log, so that the application never waits for a reader.
    _reading: JoinSet<()>,
}

/// Waits for what takes much less than a minute.
pub(crate) async fn in_time<F: Future>(wait: F) -> F::Output {
    timeout(Duration::from_secs(50), wait).await.expect("it does not take that long")
}

/// The binary, to be run in `dir`.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feeds"));
    command
        .current_dir(dir)
        .env("FEEDS_HTTP__ADDR", "127.0.0.1:0")
        .env("FEEDS_ADMIN__ENABLED", "false")
        .env("FEEDS_TELEMETRY__LOG__FORMAT", "json")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl App {
    /// Starts the application as it is, but for [`ALLOWED`].
    pub(crate) async fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[]).await
    }

    /// Starts the application with keys set.
    pub(crate) async fn start_with(dir: &Path, keys: &[&str]) -> Self {
        Self::launch(command(dir), keys, &[]).await
    }

    /// Starts several workers of the application, with keys set, and waits for all of them.
    pub(crate) async fn start_cluster(dir: &Path, workers: usize, keys: &[&str]) -> Self {
        let app = Self::launch(command(dir), keys, &[&format!("--cluster={workers}")]).await;
        app.until_said(&format!("\"workers\":\"{workers}\""), 1).await;
        app
    }

    /// Starts the application on a system that trusts the certificates in a file.
    pub(crate) async fn start_trusting(dir: &Path, roots: &Path) -> Self {
        let mut command = command(dir);
        command.env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR");
        Self::launch(command, &[], &[]).await
    }

    async fn launch(mut command: Command, keys: &[&str], arguments: &[&str]) -> Self {
        command
            .arg("serve")
            .args(arguments)
            .args(["--set", "feeds.allow_addresses=[\"127.0.0.2\"]"]);
        for key in keys {
            command.args(["--set", key]);
        }
        let mut process = command.spawn().expect("the binary was built");
        let mut log = BufReader::new(process.stderr.take().expect("it is piped"));
        let address = in_time(address(&mut log)).await;
        let (mut lines, text) = (log.lines(), Arc::new(Mutex::new(String::new())));
        let (mut reading, kept) = (JoinSet::new(), Arc::clone(&text));
        reading.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                *kept.lock().expect("nobody panics with it") += &(line + "\n");
            }
        });
        Self { process, address, log: text, _reading: reading }
    }

    /// What the log has said so far, since the application listens.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").clone()
    }

    /// Waits until the log has these words in it so many times.
    pub(crate) async fn until_said(&self, words: &str, times: usize) {
        in_time(async {
            while self.log().matches(words).count() < times {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub(crate) fn client(&self) -> Client {
        Client(self.address)
    }

    /// Sends a signal to this process.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.process.id().expect("it runs");
        let id = Pid::from_raw(id.try_into().expect("ids are small")).expect("ids are not 0");
        kill_process(id, signal).expect("it runs");
    }

    /// Waits for the end of the process, and tells its exit code, which there is unless it was
    /// killed.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        in_time(self.process.wait()).await.expect("it was started").code()
    }
}

/// Where the log says that the application listens.
async fn address(log: &mut BufReader<ChildStderr>) -> SocketAddr {
    let mut all = String::new();
    loop {
        let begin = all.len();
        let read = log.read_line(&mut all).await.expect("the log is text");
        assert!(read > 0, "the application ended instead of listening:\n{all}");
        let Some((_, rest)) = all[begin..].split_once("listening on http://") else { continue };
        let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit());
        return rest[..end.unwrap_or(rest.len())].parse().expect("an address");
    }
}
