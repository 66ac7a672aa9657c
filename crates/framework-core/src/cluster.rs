use std::fmt;

use crate::{BoxError, BoxFuture};

/// The cluster that this process is a worker of, for whoever shows the application to operators:
/// one worker answers them, and speaks for all.
///
/// Provided as `dyn ClusterView`; an application that runs as one process has none.
pub trait ClusterView: Send + Sync + fmt::Debug + 'static {
    /// The slot of this worker, from 0.
    fn slot(&self) -> u32;

    /// Asks the whole cluster.
    fn ask(&self, question: ClusterQuestion) -> BoxFuture<Result<String, BoxError>>;
}

/// What can be asked of a whole cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterQuestion {
    /// Which workers are there, and how are they? The answer is JSON.
    Workers,
    /// How healthy is each of them? The answer is JSON.
    Health,
    /// What are the metrics of all? The answer is text as Prometheus, or as `accept` asks.
    Metrics {
        /// What a scraper accepts, as in the header of that name.
        accept: Option<String>,
    },
    /// Reload the configuration, in all workers or in none, as soon as that can be. The answer says
    /// only that it was heard.
    Reload,
    /// Do so if all others have since this process was started: what they have read then, it may
    /// not have.
    ReloadIfMissed,
    /// Put the configuration before the last reload back, in all workers. The answer is JSON.
    TakeBackReload {
        /// What the new one did to this worker.
        cause: String,
    },
    /// How much is logged? With a filter: that much, from now on. The answer is JSON.
    LogLevel(Option<String>),
}
