use std::time::Duration;

use framework_core::is_planted;
use tokio::time::Instant;

use super::{DrainOrder, DrainStage};

/// How long the steps of a drain take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainTimes {
    /// How long no connection must have come before the listener closes. Defaults to 50 ms.
    pub accept_quiet: Duration,
    /// When the listener closes even though connections keep coming. Defaults to 500 ms.
    pub accept_longest: Duration,
}

impl Default for DrainTimes {
    fn default() -> Self {
        Self { accept_quiet: Duration::from_millis(50), accept_longest: Duration::from_millis(500) }
    }
}

/// Decides when a draining server moves on. It does no I/O and reads no clock, so that every path
/// through it can be tested by feeding it moments.
///
/// A listener that other processes share need not be emptied: see [`DrainMachine::shared_backlog`].
#[derive(Clone, Debug)]
pub struct DrainMachine {
    stage: DrainStage,
    times: DrainTimes,
    shared_backlog: bool,
    deadline: Option<Instant>,
    // When the listener closes if nothing else comes, and when it closes in any case.
    quiet_at: Option<Instant>,
    closed_at: Option<Instant>,
}

impl DrainMachine {
    /// A server that serves.
    #[must_use]
    pub fn new(times: DrainTimes) -> Self {
        Self {
            stage: DrainStage::Serving,
            times,
            shared_backlog: false,
            deadline: None,
            quiet_at: None,
            closed_at: None,
        }
    }

    /// Leaves connections that wait to be accepted to the other processes on the same listener.
    #[must_use]
    pub fn shared_backlog(mut self) -> Self {
        self.shared_backlog = true;
        self
    }

    /// Where the server stands.
    #[must_use]
    pub fn stage(&self) -> DrainStage {
        self.stage
    }

    /// Takes an order; what it asks for and has already passed is ignored.
    pub fn order(&mut self, order: DrainOrder, now: Instant) {
        match order {
            DrainOrder::Serve => {}
            DrainOrder::LameDuck => self.advance(DrainStage::LameDuck),
            DrainOrder::Stop { deadline } => {
                self.deadline = Some(self.deadline.map_or(deadline, |old| old.min(deadline)));
                self.stop_accepting(now);
            }
        }
    }

    /// A connection was accepted.
    pub fn accepted(&mut self, now: Instant) {
        if self.stage == DrainStage::StopAccept {
            self.quiet_at = Some(now + self.times.accept_quiet);
        }
    }

    /// Looks at the time and at the number of connections that are open.
    pub fn tick(&mut self, open_connections: usize, now: Instant) {
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.stage == DrainStage::StopAccept && (passed(self.quiet_at) || passed(self.closed_at))
        {
            self.advance(DrainStage::Drain);
        }
        if passed(self.deadline) {
            self.advance(DrainStage::Force);
        }
        let nobody = open_connections == 0 && !is_planted("waits-for-nobody");
        if self.stage >= DrainStage::Drain && nobody {
            self.advance(DrainStage::Closed);
        }
    }

    /// When [`tick`](Self::tick) is due, whatever else happens.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        let accepting = (self.stage == DrainStage::StopAccept)
            .then(|| self.quiet_at.into_iter().chain(self.closed_at).min())
            .flatten();
        let cutting = self.deadline.filter(|_| self.stage < DrainStage::Force);
        accepting.into_iter().chain(cutting).min()
    }

    fn stop_accepting(&mut self, now: Instant) {
        if self.stage >= DrainStage::StopAccept {
            return;
        }
        if self.shared_backlog {
            return self.advance(DrainStage::Drain);
        }
        self.advance(DrainStage::StopAccept);
        self.quiet_at = Some(now + self.times.accept_quiet);
        self.closed_at = Some(now + self.times.accept_longest);
    }

    fn advance(&mut self, to: DrainStage) {
        self.stage = self.stage.max(to);
    }
}

#[cfg(test)]
mod tests;
