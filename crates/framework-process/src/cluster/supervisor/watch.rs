//! What time brings about.

use std::time::Duration;

use framework_core::is_planted;
use tokio::time::Instant;

use super::{Action, LetGo, Notice, Supervisor, WorkerId, WorkerState};

/// A slot without a worker is lent when it has been without one for so long.
const LEND_AFTER: Duration = Duration::from_millis(250);

/// How long between the call for a dump and the signal that ends a worker, and between that and the
/// one that no process survives.
const DUMP_TIME: Duration = Duration::from_secs(1);
const ABORT_TIME: Duration = Duration::from_secs(5);

/// How long after its time to stop a worker is ended.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A gap between two looks that says that this process was stopped, and not that the workers were.
const OWN_PAUSE: Duration = Duration::from_secs(1);

/// How often to look at the least.
const LOOK: Duration = Duration::from_millis(250);

impl Supervisor {
    /// When to look again at the latest.
    pub(in super::super) fn wake_at(&self) -> Instant {
        let soon = self.ticked + LOOK;
        let starts = self.slots.iter().filter_map(|slot| slot.start_at);
        let steps = self.step.iter().filter_map(|step| step.wake_at());
        starts.chain(steps).chain([soon]).min().unwrap_or(soon)
    }

    pub(in super::super) fn tick(&mut self, now: Instant) {
        self.forgive_own_pause(now);
        self.start_what_is_due(now);
        self.end_who_does_not_boot(now);
        self.kill_the_greediest(now);
        self.give_up_the_silent(now);
        self.end_who_does_not_stop(now);
        self.advance(now);
        self.lend(now);
        self.judge(now);
    }

    /// Workers are not to blame for not having been listened to.
    fn forgive_own_pause(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.ticked);
        self.ticked = now;
        if gap > OWN_PAUSE {
            for worker in self.workers.values_mut() {
                worker.heard += gap;
            }
        }
    }

    fn start_what_is_due(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if slot.current.is_some() || slot.start_at.is_none_or(|at| at > now) {
                continue;
            }
            slot.start_at = None;
            let generation = slot.generation;
            let index = u32::try_from(index).expect("there are few slots");
            let id = self.launch(index, generation, now);
            self.slots[index as usize].current = Some(id);
        }
    }

    fn end_who_does_not_boot(&mut self, now: Instant) {
        let limit = self.rules.boot_timeout;
        let late = |worker: &super::Worker| {
            worker.state == WorkerState::Starting
                && worker.let_go.is_none()
                && now.duration_since(worker.started) >= limit
        };
        let late: Vec<_> =
            self.workers.iter().filter(|(_, it)| late(it)).map(|(id, _)| *id).collect();
        for id in late {
            if self.is_incoming(id) {
                let why = format!("the new worker was not ready within {limit:?}");
                self.step_failed(&why, now);
            } else {
                self.give_up(id, "boot", now);
            }
        }
    }

    fn give_up_the_silent(&mut self, now: Instant) {
        let limit = self.rules.silence;
        let silent = |worker: &super::Worker| {
            worker.serves() && now.saturating_duration_since(worker.heard) >= limit
        };
        let silent: Vec<_> =
            self.workers.iter().filter(|(_, it)| silent(it)).map(|(id, _)| *id).collect();
        for id in silent {
            if self.is_incoming(id) {
                self.step_failed("the new worker has fallen silent", now);
            }
            self.give_up(id, "silent", now);
        }
    }

    /// Ends a worker that holds more memory than any may: there is no time to replace it first. One
    /// at a time, so that the others go on.
    fn kill_the_greediest(&mut self, now: Instant) {
        let Some(limit) = self.rules.recycle.memory_max else { return };
        let alive = self.workers.iter().filter(|(_, it)| it.let_go.is_none_or(|it| !it.killed));
        let greediest = alive.max_by_key(|(_, it)| it.beat.rss);
        let Some((&id, &super::Worker { slot, .. })) =
            greediest.filter(|(_, it)| it.beat.rss >= limit)
        else {
            return;
        };
        if self.is_incoming(id) {
            self.step_failed("the new worker took too much memory", now);
        }
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.let_go = Some(LetGo { killed: true, ..LetGo::at(now) });
        worker.state = WorkerState::Draining;
        self.actions.push(Action::Kill(id));
        if self.slots[slot as usize].current == Some(id) {
            self.slots[slot as usize].failures += 1;
            self.vacant(slot, "memory", now);
        }
    }

    /// Lets go of a worker that cannot be spoken to, and fills its place without waiting for its
    /// end.
    fn give_up(&mut self, id: WorkerId, reason: &'static str, now: Instant) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.let_go = Some(LetGo { silent: true, ..LetGo::at(now) });
        worker.state = WorkerState::Draining;
        let slot = worker.slot;
        self.actions.push(Action::Dump(id));
        if self.slots[slot as usize].current == Some(id) {
            self.slots[slot as usize].failures += 1;
            self.vacant(slot, reason, now);
        }
    }

    fn end_who_does_not_stop(&mut self, now: Instant) {
        let orderly = self.rules.stop_timeout + STOP_GRACE;
        for (id, worker) in &mut self.workers {
            let Some(let_go) = &mut worker.let_go else { continue };
            if let_go.silent && is_planted("spares-the-silent") {
                continue;
            }
            let since = now.saturating_duration_since(let_go.at);
            let (abort, kill) = match let_go.silent {
                true => (Some(DUMP_TIME), DUMP_TIME + ABORT_TIME),
                false => (None, orderly),
            };
            if abort.is_some_and(|abort| since >= abort) && !let_go.aborted {
                let_go.aborted = true;
                self.actions.push(Action::Abort(*id));
            }
            if since >= kill && !let_go.killed {
                let_go.killed = true;
                self.actions.push(Action::Kill(*id));
            }
        }
    }

    /// Connections that the kernel gives to a slot that nobody serves are accepted by somebody
    /// else.
    fn lend(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            let number = u32::try_from(index).expect("there are few slots");
            let served = self.workers.values().any(|it| it.slot == number && it.serves());
            let lender = self.slots[index].lent_to.filter(|id| self.serves(*id));
            self.slots[index].lent_to = lender;
            if served {
                self.slots[index].unserved_since = None;
                if let Some(from) = self.slots[index].lent_to.take() {
                    self.actions.push(Action::Return { slot: number, from });
                }
                continue;
            }
            let since = *self.slots[index].unserved_since.get_or_insert(now);
            let long = self.slots[index].retired || now.duration_since(since) >= LEND_AFTER;
            if lender.is_none()
                && long
                && !is_planted("no-lending")
                && let Some(to) = self.least_burdened()
            {
                self.slots[index].lent_to = Some(to);
                self.actions.push(Action::Lend { slot: number, to });
            }
        }
    }

    fn serves(&self, id: WorkerId) -> bool {
        self.workers.get(&id).is_some_and(super::Worker::serves)
    }

    fn least_burdened(&self) -> Option<WorkerId> {
        let burden = |id: WorkerId| self.slots.iter().filter(|it| it.lent_to == Some(id)).count();
        let serving = self.workers.iter().filter(|(_, it)| it.serves()).map(|(id, _)| *id);
        serving.min_by_key(|id| (burden(*id), *id))
    }

    fn judge(&mut self, now: Instant) {
        let exceeded = self.intensity.is_exceeded(&self.rules.restart, now);
        let degraded = exceeded || (self.degraded && self.is_unsettled(now));
        if std::mem::replace(&mut self.degraded, degraded) != degraded {
            self.notices.push(if degraded { Notice::Degraded } else { Notice::Recovered });
        }
    }

    /// Whether a worker that has failed is not well again.
    fn is_unsettled(&self, now: Instant) -> bool {
        let well = |id: WorkerId| {
            let ready = self.workers.get(&id).and_then(super::Worker::ready_since);
            ready.is_some_and(|ready| now.duration_since(ready) >= super::WELL)
        };
        let mut failed = self.slots.iter().filter(|slot| slot.failures > 0 && !slot.retired);
        failed.any(|slot| !slot.current.is_some_and(well))
    }
}
