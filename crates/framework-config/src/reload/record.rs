use std::{
    fmt,
    time::{Duration, SystemTime},
};

use framework_core::Chain;
use serde_json::{Value, json};

use super::{ConfigChange, ReloadError};

/// What became of one reload.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReloadRecord {
    /// What asked for it; of several that were served at once, the first.
    pub trigger: ReloadTrigger,
    /// When it began.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// The generation in force when it had ended.
    pub generation: u64,
    /// What differs from the configuration that was in force, as far as it got to compare them.
    pub changes: Vec<ConfigChange>,
    /// Those of them that wait for the next start of the application.
    pub pending: Vec<ConfigChange>,
    /// How it ended.
    pub outcome: ReloadOutcome,
    /// What went wrong after the change was in force: a panic in an owner's commit.
    pub late: Vec<String>,
}

/// How a reload ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadOutcome {
    /// The new configuration is in force.
    Applied,
    /// The sources say what they said before.
    Unchanged,
    /// It was a dry run, and nothing speaks against the new configuration.
    Acceptable,
    /// Only keys differ that cannot change while the application runs; they wait for its next start.
    Pending,
    /// The configuration before is in force again, because the one that was on probation made a
    /// module fail.
    RolledBack {
        /// What failed.
        cause: String,
    },
    /// The old configuration stays in force.
    Rejected(ReloadError),
}

/// What asks for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReloadTrigger {
    /// The operating system: SIGHUP.
    Signal,
    /// A file that changed.
    File,
    /// A call: a verb of the command line, an operator's page, the application itself.
    Call,
    /// A configuration on probation that did not hold.
    Probation,
}

impl ReloadRecord {
    /// Whether the new configuration is in force.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        matches!(self.outcome, ReloadOutcome::Applied)
    }

    /// Why the new configuration is not in force, if it was rejected.
    #[must_use]
    pub fn error(&self) -> Option<&ReloadError> {
        match &self.outcome {
            ReloadOutcome::Rejected(error) => Some(error),
            _ => None,
        }
    }

    /// The record as JSON, for machines; secrets are redacted.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let since = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        json!({
            "trigger": self.trigger.to_string(),
            "unix_seconds": since.as_secs_f64(),
            "took_seconds": self.took.as_secs_f64(),
            "generation": self.generation,
            "outcome": self.outcome.label(),
            "error": match &self.outcome {
                ReloadOutcome::Rejected(error) => Some(Chain(error).to_string()),
                ReloadOutcome::RolledBack { cause } => Some(cause.clone()),
                _ => None,
            },
            "changes": self.changes.iter().map(ConfigChange::to_json).collect::<Vec<_>>(),
            "pending_restart": self.pending.iter().map(ConfigChange::to_json).collect::<Vec<_>>(),
            "late": self.late,
        })
    }
}

impl ReloadOutcome {
    /// Every [`label`](Self::label) of a reload that was no dry run.
    pub const LABELS: [&'static str; 10] = [
        "applied",
        "unchanged",
        "pending_restart",
        "rolled_back",
        "invalid",
        "needs_restart",
        "quarantined",
        "vetoed",
        "timed_out",
        "failed",
    ];

    /// The outcome in a word, for metrics: one of [`LABELS`](Self::LABELS), or `acceptable`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Acceptable => "acceptable",
            Self::Pending => "pending_restart",
            Self::RolledBack { .. } => "rolled_back",
            Self::Rejected(ReloadError::Quarantined { .. }) => "quarantined",
            Self::Rejected(ReloadError::Invalid(_)) => "invalid",
            Self::Rejected(ReloadError::NeedsRestart { .. }) => "needs_restart",
            Self::Rejected(ReloadError::Vetoed { .. }) => "vetoed",
            Self::Rejected(ReloadError::TimedOut { .. } | ReloadError::Unsettled { .. }) => {
                "timed_out"
            }
            Self::Rejected(ReloadError::NothingInForce | ReloadError::Interrupted(_)) => "failed",
        }
    }
}

/// Shows the trigger as it is named in reports: `signal`, `file`, `call`, `probation`.
impl fmt::Display for ReloadTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal => "signal",
            Self::File => "file",
            Self::Call => "call",
            Self::Probation => "probation",
        })
    }
}
