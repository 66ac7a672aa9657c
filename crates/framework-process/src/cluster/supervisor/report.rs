//! How the cluster is.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{Slot, Supervisor, Worker, WorkerId, WorkerState};
use crate::cluster::RecycleLimits;

/// How a slot and its worker are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in super::super) struct WorkerReport {
    pub(in super::super) slot: u32,
    #[serde(skip)]
    pub(in super::super) id: Option<WorkerId>,
    pub(in super::super) pid: Option<u32>,
    pub(in super::super) state: &'static str,
    pub(in super::super) health: Option<String>,
    pub(in super::super) generation: u32,
    pub(in super::super) restarts: u64,
    pub(in super::super) rss: Option<u64>,
    pub(in super::super) requests: Option<u64>,
    pub(in super::super) heartbeat_age_ms: Option<u64>,
    pub(in super::super) uptime_seconds: Option<u64>,
    pub(in super::super) lent_to: Option<u32>,
}

/// How many workers are in each state, and how many were started again for each reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Counts {
    pub(in super::super) states: Vec<(&'static str, usize)>,
    pub(in super::super) restarts: Vec<(&'static str, u64)>,
}

/// How long a worker is left alone after a replacement for it has failed.
const POSTPONED: Duration = Duration::from_secs(30);

impl Supervisor {
    /// One line for each slot, and one for each worker that is on its way in or out.
    pub(in super::super) fn report(&self, now: Instant) -> Vec<WorkerReport> {
        let mut rows = Vec::new();
        for (index, slot) in (0_u32..).zip(&self.slots) {
            let others = self
                .workers
                .iter()
                .filter(|(id, it)| it.slot == index && slot.current != Some(**id));
            match slot.current.and_then(|id| Some((id, self.workers.get(&id)?))) {
                Some((id, worker)) => rows.push(self.row(slot, Some((id, worker)), now)),
                None if slot.retired => {}
                None => rows.push(WorkerReport { slot: index, ..self.row(slot, None, now) }),
            }
            rows.extend(others.map(|(id, worker)| self.row(slot, Some((*id, worker)), now)));
        }
        rows
    }

    fn row(&self, slot: &Slot, worker: Option<(WorkerId, &Worker)>, now: Instant) -> WorkerReport {
        let lent_to = slot.lent_to.and_then(|id| Some(self.workers.get(&id)?.slot));
        let since = |at: Instant| now.saturating_duration_since(at);
        let Some((id, worker)) = worker else {
            return WorkerReport {
                slot: 0,
                id: None,
                pid: None,
                health: None,
                state: "backoff",
                generation: slot.generation,
                restarts: slot.restarts,
                rss: None,
                requests: None,
                heartbeat_age_ms: None,
                uptime_seconds: None,
                lent_to,
            };
        };
        WorkerReport {
            slot: worker.slot,
            id: Some(id),
            pid: None,
            health: None,
            state: worker.state.as_str(),
            generation: worker.generation,
            restarts: slot.restarts,
            rss: Some(worker.beat.rss),
            requests: Some(worker.beat.requests),
            heartbeat_age_ms: u64::try_from(since(worker.heard).as_millis()).ok(),
            uptime_seconds: Some(since(worker.started).as_secs()),
            lent_to,
        }
    }

    pub(in super::super) fn counts(&self) -> Counts {
        let state = |state: WorkerState| {
            (state.as_str(), self.workers.values().filter(|it| it.state == state).count())
        };
        let vacant = |slot: &&Slot| slot.current.is_none() && !slot.retired;
        let mut states =
            [WorkerState::Starting, WorkerState::Ready, WorkerState::Draining].map(state).to_vec();
        states.push(("backoff", self.slots.iter().filter(vacant).count()));
        let restarts = self.restarts.iter().map(|(reason, count)| (*reason, *count)).collect();
        Counts { states, restarts }
    }

    /// Whether all slots are served, by workers of one generation.
    pub(in super::super) fn is_complete(&self) -> bool {
        let served = |slot: &Slot| {
            let current = slot.current.and_then(|id| self.workers.get(&id));
            current.is_some_and(Worker::serves)
        };
        self.slots.iter().filter(|slot| !slot.retired).all(served)
    }

    pub(in super::super) fn is_degraded(&self) -> bool {
        self.degraded
    }

    pub(in super::super) fn postpone_recycling(&mut self, slot: u32, now: Instant) {
        let current = self.slots[slot as usize].current;
        if let Some(worker) = current.and_then(|id| self.workers.get_mut(&id)) {
            worker.recycle_after = Some(now + POSTPONED);
        }
    }
}

impl WorkerState {
    pub(in super::super) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

impl Slot {
    /// A new worker has its place: it is not waited for any longer.
    pub(in super::super) fn take_over(&mut self) {
        (self.start_at, self.failures) = (None, 0);
    }
}

impl Worker {
    pub(in super::super) fn started_at(&self) -> Instant {
        self.started
    }

    /// Why it is to be replaced, if it is.
    pub(in super::super) fn is_worn(
        &self,
        limits: &RecycleLimits,
        now: Instant,
    ) -> Option<&'static str> {
        if self.recycle_after.is_some_and(|after| now < after) {
            return None;
        }
        // Up to a tenth later, each at another moment.
        let later = 1.0 + self.spread / 10.0;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a limit need not be met to the last request"
        )]
        let requests = limits.requests.map(|limit| (limit as f64 * later) as u64);
        let age = limits.age.map(|limit| limit.mul_f64(later));
        if requests.is_some_and(|limit| self.beat.requests >= limit) {
            return Some("requests");
        }
        if age.is_some_and(|limit| now.duration_since(self.started) >= limit) {
            return Some("age");
        }
        limits.memory.is_some_and(|limit| self.beat.rss >= limit).then_some("memory")
    }
}
