use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// What a job can know of itself while it runs.
#[derive(Debug)]
pub struct Job {
    ticket: Arc<Ticket>,
}

/// Nobody waits for the job any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody waits for this job any more")]
#[non_exhaustive]
pub struct Cancelled;

/// A job from the moment it was handed in, as its caller and its thread know it.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) name: &'static str,
    pub(super) handed_in: Instant,
    pub(super) deadline: Instant,
    cancelled: AtomicBool,
}

impl Job {
    pub(super) fn of(ticket: &Arc<Ticket>) -> Self {
        Self { ticket: Arc::clone(ticket) }
    }

    /// Whether nobody waits for the result: the deadline has passed, the caller has gone, or the
    /// pool closes. What takes long should look now and then.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ticket.is_over(Instant::now())
    }

    /// As [`is_cancelled`](Self::is_cancelled), to be used with `?`.
    ///
    /// # Errors
    ///
    /// When nobody waits for the result.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    /// How much time is left.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.ticket.deadline.saturating_duration_since(Instant::now())
    }
}

impl Ticket {
    pub(super) fn new(name: &'static str, handed_in: Instant, deadline: Instant) -> Arc<Self> {
        Arc::new(Self { name, handed_in, deadline, cancelled: AtomicBool::new(false) })
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.cancelled.load(Relaxed) || self.deadline <= now
    }
}
