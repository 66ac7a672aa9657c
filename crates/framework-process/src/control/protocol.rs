use std::{io, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest line, in bytes: a debug dump is passed on as the name of a file.
pub(super) const LONGEST: u64 = 4 << 20;

/// What an operator can ask of a running process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// How is it?
    Status,
    /// Stop, in order.
    Stop,
    /// Read the configuration again.
    Reload {
        /// How far to go.
        #[serde(default)]
        how: ReloadHow,
    },
    /// Put the configuration before the reload of this number back into force: so a worker of a
    /// cluster asks its primary, and that one its workers.
    TakeBackReload {
        /// The number, as in [`ReloadHow::Commit`].
        number: u64,
        /// What the new configuration did.
        cause: String,
    },
    /// Start everything again, without a moment in which nobody serves.
    Restart,
    /// As [`Restart`](Self::Restart), with the binary that is on the disk now.
    Upgrade,
    /// Write down how everything is, for somebody who looks for an error.
    Dump,
    /// Say how everything is, at length.
    Describe,
    /// Say how healthy it is.
    Health,
    /// Say the metrics, in the text form of Prometheus, or in that of `OpenMetrics` where `accept`
    /// asks for it.
    Metrics {
        /// What a scraper accepts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accept: Option<String>,
    },
    /// Say which workers there are.
    Cluster,
    /// Open the log files again, after they were moved away.
    LogsReopen,
    /// Say how much is logged, or change it.
    LogsLevel {
        /// The new filter, as `info,shop=debug`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<String>,
    },
}

/// How far a reload goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ReloadHow {
    /// To the end, and say what became of it.
    #[default]
    Now,
    /// As soon as may be, and say only that it was heard.
    Soon,
    /// As [`Soon`](Self::Soon), if there was one since a worker was started.
    IfMissed {
        /// When that was, in microseconds of the system's monotonic clock.
        started: u64,
    },
    /// Only say what would change.
    DryRun,
    /// Do all of it that can fail, and wait for [`Commit`](Self::Commit) or
    /// [`Abandon`](Self::Abandon): so the primary of a cluster asks its workers.
    Prepare,
    /// Put into force what was prepared, as the reload of this number.
    Commit {
        /// The number, from 1.
        number: u64,
    },
    /// Give up what was prepared.
    Abandon,
}

/// One line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    Progress(Value),
    Done(Value),
    Refused(Refused),
}

/// The process does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The exit code for whoever asked.
    pub exit: u8,
    /// Why.
    pub message: String,
}

/// A process could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Nobody listens at the socket.
    #[error("no instance is running: nobody listens at `{}`", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process listens at the socket.
    #[error("another instance listens at `{}`", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be used.
    #[error("cannot use the control socket `{}`", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The other side stopped in the middle of a sentence.
    #[error("the instance ended before it had answered")]
    Gone,
    /// The other side speaks another language.
    #[error("the instance does not understand: it was perhaps built with another version")]
    Garbled(#[source] serde_json::Error),
    /// The process does not do what it was asked.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl ControlError {
    /// What to say where the place of the socket cannot be told.
    #[must_use]
    pub fn from_files(source: io::Error) -> Self {
        Self::Socket { path: PathBuf::new(), source }
    }
}

impl Refused {
    /// A refusal with the exit code for whoever asked, and the reason.
    #[must_use]
    pub fn new(exit: u8, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}
