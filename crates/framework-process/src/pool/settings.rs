use std::{num::NonZeroUsize, time::Duration};

/// How a [`WorkerPool`](super::WorkerPool) works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// How many threads there are. Defaults to as many as there are processors for this process.
    pub workers: Option<NonZeroUsize>,
    /// How many jobs may wait. Defaults to 1024.
    pub queue: usize,
    /// How long a job may take, waiting included. Defaults to 30 s.
    pub task_timeout: Duration,
    /// What happens where the queue is full. Defaults to [`WhenFull::Reject`].
    pub when_full: WhenFull,
}

/// What happens to a job where the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It is an error at once, which tells the caller to come back later.
    #[default]
    Reject,
    /// Its caller waits for a place, until the job's deadline.
    Wait,
    /// Its caller runs it itself, and hands in nothing else meanwhile. It holds up everything else
    /// on the caller's thread.
    RunHere,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            workers: None,
            queue: 1024,
            task_timeout: Duration::from_secs(30),
            when_full: WhenFull::default(),
        }
    }
}
