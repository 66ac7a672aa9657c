//! Whoever tells a running process what to do.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    process::Command,
    time::{Instant, sleep, timeout},
};

use super::{PATIENCE, PID_FILE, Place, Planted, Program};
use crate::BoxError;

/// Speaks to the process that holds a place, whichever that is by then. Clones speak to the same.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    binary: PathBuf,
    planted: Option<Planted>,
    // Weak would do; but a verb that still runs needs the directory.
    place: Arc<Place>,
}

/// A cluster, as it says of itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Workers {
    pub(crate) primary: u32,
    pub(crate) generation: u32,
    pub(crate) workers: Vec<Worker>,
}

/// One worker, or a slot that has none.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Worker {
    pub(crate) slot: u32,
    pub(crate) pid: Option<u32>,
    pub(crate) state: String,
    pub(crate) generation: u32,
    pub(crate) restarts: u64,
}

// ===== impl Operator =====

impl Operator {
    pub(super) fn new(program: &Program, place: &Arc<Place>) -> Self {
        let Program { binary, planted, .. } = program;
        Self { binary: binary.clone(), planted: planted.clone(), place: Arc::clone(place) }
    }

    /// Uses this program for its verbs, where the one that runs is not to be trusted.
    pub(crate) fn with(mut self, binary: PathBuf) -> Self {
        self.binary = binary;
        self
    }

    /// Runs a verb, as people do.
    ///
    /// # Errors
    ///
    /// Returns an error if it takes longer than `limit`, or cannot be run.
    pub(crate) async fn verb(&self, verb: &str, limit: Duration) -> Result<Output, BoxError> {
        let mut command = Command::new(&self.binary);
        command.args([verb, "--pid-file", PID_FILE]).current_dir(self.place.path());
        command.env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true);
        if let Some(planted) = &self.planted {
            planted.put_into(command.as_std_mut());
        }
        command.stdin(Stdio::null());
        let Ok(output) = timeout(limit, command.output()).await else {
            return Err(format!("`{verb}` took longer than {limit:?}").into());
        };
        Ok(output?)
    }

    /// Runs a verb that has to succeed.
    ///
    /// # Errors
    ///
    /// Returns an error if it does not, with what it has said.
    pub(crate) async fn must(&self, verb: &str) -> Result<(), BoxError> {
        let Output { status, stdout, stderr } = self.verb(verb, PATIENCE).await?;
        if status.success() {
            return Ok(());
        }
        let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        Err(format!("`{verb}` ended with {status}:\n{out}{err}").into())
    }

    /// Asks the cluster how its workers are.
    ///
    /// # Errors
    ///
    /// Returns an error if nobody answers.
    pub(crate) async fn workers(&self) -> Result<Workers, BoxError> {
        Ok(serde_json::from_value(self.ask("cluster").await?)?)
    }

    /// Has the configuration read again.
    ///
    /// # Errors
    ///
    /// Returns an error if that is refused.
    pub(crate) async fn reload(&self) -> Result<(), BoxError> {
        self.ask("reload").await.map(drop)
    }

    /// Has the log opened anew: when this returns, nobody writes to the old file.
    ///
    /// # Errors
    ///
    /// Returns an error if that is refused.
    pub(crate) async fn reopen_logs(&self) -> Result<(), BoxError> {
        self.ask("logs-reopen").await.map(drop)
    }

    /// How many lines of the log could not be written.
    ///
    /// # Errors
    ///
    /// Returns an error if nobody answers.
    pub(crate) async fn lost_lines(&self) -> Result<u64, BoxError> {
        let described = self.ask("describe").await?;
        Ok(described["lost_log_lines"].as_u64().ok_or("nobody counts them")?)
    }

    /// Which process holds the place.
    ///
    /// # Errors
    ///
    /// Returns an error if nobody answers.
    pub(crate) async fn pid(&self) -> Result<u32, BoxError> {
        let status = self.ask("status").await?;
        let pid = status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        Ok(pid.ok_or("no process id")?)
    }

    /// Asks until the workers are as they should be.
    ///
    /// # Errors
    ///
    /// Returns an error if they are not within `limit`.
    pub(crate) async fn until(
        &self,
        limit: Duration,
        holds: impl Fn(&Workers) -> bool,
    ) -> Result<Workers, BoxError> {
        let give_up = Instant::now() + limit;
        loop {
            let workers = self.workers().await;
            match workers {
                Ok(workers) if holds(&workers) => return Ok(workers),
                other if Instant::now() > give_up => {
                    return Err(format!("the workers are not as they should be: {other:?}").into());
                }
                // Nothing tells of a change: it is looked for.
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn ask(&self, verb: &str) -> Result<Value, BoxError> {
        let path = self.place.path().join(PID_FILE).with_extension("sock");
        let asked = async {
            let mut stream = BufReader::new(UnixStream::connect(path).await?);
            stream.write_all(format!("{{\"verb\":\"{verb}\"}}\n").as_bytes()).await?;
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            Ok::<_, BoxError>(line)
        };
        let line = timeout(PATIENCE, asked).await.map_err(|_| "no answer to an operator")??;
        let mut answer: Value = serde_json::from_str(&line)?;
        match answer["done"].take() {
            Value::Null => Err(format!("an operator is refused: {line}").into()),
            done => Ok(done),
        }
    }
}

// ===== impl Workers =====

impl Workers {
    /// Those that serve.
    pub(crate) fn ready(&self) -> Vec<&Worker> {
        self.workers.iter().filter(|worker| worker.state == "ready").collect()
    }

    /// Whether there are so many, and all of them serve.
    pub(crate) fn are(&self, number: usize) -> bool {
        self.workers.len() == number && self.ready().len() == number
    }
}
