//! Replacing workers on purpose: the new one first, and the old one only when the new one is well.

use std::{collections::VecDeque, time::Duration};

use framework_core::is_planted;
use tokio::time::Instant;

use super::supervisor::{Action, Notice, Supervisor, WorkerId, WorkerState};

/// How many times in a row a new worker has to say that it is healthy, and how far apart.
const PROBES: u32 = 3;
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// When a worker is replaced though it is well. A limit that is absent is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecycleLimits {
    /// It has answered so many requests.
    pub requests: Option<u64>,
    /// It is so old.
    pub age: Option<Duration>,
    /// It holds so much memory, in bytes.
    pub memory: Option<u64>,
    /// It holds so much that it is ended at once, in bytes.
    pub memory_max: Option<u64>,
}

/// All workers are being replaced.
#[derive(Debug)]
pub(super) struct Roll {
    left: VecDeque<u32>,
    /// Asked for again in the meantime.
    again: bool,
}

/// One worker is being replaced.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) slot: u32,
    pub(super) incoming: WorkerId,
    generation: u32,
    reason: &'static str,
    old: Option<WorkerId>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Booting,
    Probing {
        passed: u32,
        next: Instant,
        asked: bool,
    },
    /// The old worker stops.
    Draining,
}

impl Step {
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match self.stage {
            Stage::Probing { next, asked: false, .. } => Some(next),
            _ => None,
        }
    }
}

impl Supervisor {
    /// Replaces all workers, one after the other, by those of a new generation.
    pub(super) fn roll(&mut self, now: Instant) {
        match &mut self.roll {
            Some(roll) => roll.again = true,
            None => self.start_roll(),
        }
        self.tick(now);
    }

    fn start_roll(&mut self) {
        self.generation += 1;
        let slots = (0_u32..).zip(&self.slots);
        let left = slots.filter(|(_, slot)| !slot.retired).map(|(index, _)| index).collect();
        self.roll = Some(Roll { left, again: false });
    }

    /// Goes on with what is being replaced.
    pub(super) fn advance(&mut self, now: Instant) {
        if self.stopping {
            return;
        }
        self.advance_step(now);
        if self.step.is_some() {
            return;
        }
        if self.roll.as_ref().is_some_and(|roll| roll.again) {
            self.start_roll();
        }
        let Some(roll) = &mut self.roll else { return self.recycle(now) };
        match roll.left.pop_front() {
            None => {
                self.roll = None;
                self.notices.push(Notice::Rolled(Ok(self.generation)));
            }
            Some(slot) if self.slots[slot as usize].retired => {}
            Some(slot) => {
                let generation = self.generation;
                self.begin(slot, generation, "roll", now);
            }
        }
    }

    fn begin(&mut self, slot: u32, generation: u32, reason: &'static str, now: Instant) {
        let old = self.slots[slot as usize].current;
        let incoming = self.launch(slot, generation, now);
        self.step = Some(Step { slot, incoming, generation, reason, old, stage: Stage::Booting });
        if is_planted("stops-first") {
            old.into_iter().for_each(|old| self.let_go(old, now));
        }
    }

    fn advance_step(&mut self, now: Instant) {
        let Some(step) = &mut self.step else { return };
        let (slot, incoming, generation) = (step.slot, step.incoming, step.generation);
        let ready = self.workers.get(&incoming).filter(|it| it.state == WorkerState::Ready);
        match step.stage {
            Stage::Booting => {
                if is_planted("blind-rolls") {
                    step.stage = Stage::Probing { passed: PROBES, next: now, asked: false };
                    self.advance_step(now);
                } else if ready.is_some() {
                    step.stage = Stage::Probing { passed: 0, next: now, asked: false };
                    self.advance_step(now);
                }
            }
            Stage::Probing { passed: PROBES.., .. } => {
                let since = ready.and_then(|it| it.ready_since());
                if since.is_none_or(|at| now.duration_since(at) < self.rules.min_ready)
                    && !is_planted("blind-rolls")
                {
                    if let (Some(at), Stage::Probing { next, .. }) = (since, &mut step.stage) {
                        *next = at + self.rules.min_ready;
                    }
                    return;
                }
                step.stage = Stage::Draining;
                let reason = step.reason;
                // Whoever is there now, which may be one that was started in the meantime.
                let place = &mut self.slots[slot as usize];
                let old = place.current.replace(incoming);
                place.generation = generation;
                place.take_over();
                step.old = old;
                if let Some(old) = old {
                    self.let_go(old, now);
                    self.count_restart(slot, reason);
                }
                self.notices.push(Notice::Replaced { slot, generation });
            }
            Stage::Probing { passed, next, asked } => {
                if !asked && next <= now {
                    step.stage = Stage::Probing { passed, next: now + PROBE_EVERY, asked: true };
                    self.actions.push(Action::Probe(incoming));
                }
            }
            Stage::Draining => {
                if step.old.is_none_or(|old| !self.workers.contains_key(&old)) {
                    self.step = None;
                }
            }
        }
    }

    /// Whether it has no place yet. Once it has, it is treated as every other worker.
    pub(super) fn is_incoming(&self, id: WorkerId) -> bool {
        let step = self.step.as_ref();
        step.is_some_and(|step| step.incoming == id && !matches!(step.stage, Stage::Draining))
    }

    pub(super) fn probed(&mut self, id: WorkerId, healthy: bool, now: Instant) {
        let Some(step) = self.step.as_mut().filter(|step| step.incoming == id) else { return };
        let Stage::Probing { passed, next, asked: true } = step.stage else { return };
        // One that is not healthy yet has until its time to boot is over.
        let passed = if healthy { passed + 1 } else { 0 };
        step.stage = Stage::Probing { passed, next, asked: false };
        let started = self.workers.get(&id).map(|worker| now.duration_since(worker.started_at()));
        if !healthy && started.is_none_or(|age| age >= self.rules.boot_timeout) {
            self.step_failed("the new worker is not healthy", now);
        }
    }

    /// The old worker stays, and nothing else is replaced.
    pub(super) fn step_failed(&mut self, why: &str, now: Instant) {
        let Some(step) = self.step.take() else { return };
        self.let_go(step.incoming, now);
        let slot = step.slot;
        self.notices.push(Notice::NotReplaced { slot, why: why.to_owned() });
        if self.roll.take().is_some() {
            let why = format!("slot {slot} keeps its worker: {why}");
            self.notices.push(Notice::Rolled(Err(why)));
        } else {
            self.postpone_recycling(slot, now);
        }
    }

    pub(super) fn give_up_rolling(&mut self, why: &str) {
        self.step = None;
        if self.roll.take().is_some() {
            self.notices.push(Notice::Rolled(Err(why.to_owned())));
        }
    }

    /// Slots that are no longer to be served are not rolled either.
    pub(super) fn forget_retired(&mut self) {
        if self.step.as_ref().is_some_and(|step| self.slots[step.slot as usize].retired) {
            self.step = None;
        }
    }

    fn recycle(&mut self, now: Instant) {
        if is_planted("never-recycles") {
            return;
        }
        let limits = self.rules.recycle;
        let due = self.workers.iter().find_map(|(_, worker)| {
            let reason = worker.serves().then(|| worker.is_worn(&limits, now)).flatten()?;
            Some((worker.slot, reason))
        });
        if let Some((slot, reason)) = due {
            let generation = self.slots[slot as usize].generation;
            self.begin(slot, generation, reason, now);
        }
    }
}
