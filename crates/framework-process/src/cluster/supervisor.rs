//! Decides what becomes of the workers of a cluster. It knows no process, no socket and no clock:
//! it is told what happens and when, and says what is to be done, so that hours of a cluster pass
//! in a test within milliseconds.

use std::{collections::BTreeMap, fmt, time::Duration};

use framework_core::is_planted;
use tokio::time::Instant;

use super::{
    RecycleLimits, RestartPolicy,
    policy::{Intensity, WHEN_DEGRADED},
    roll::{Roll, Step},
};

mod report;
mod watch;

#[cfg(test)]
mod tests;

pub(super) use self::report::{Counts, WorkerReport};

/// Which worker, over all that there ever were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WorkerId(pub(super) u64);

/// How the supervisor goes about it.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) restart: RestartPolicy,
    /// How long a worker may take to be ready.
    pub(super) boot_timeout: Duration,
    /// How long a replacement has to be well before the old worker is let go.
    pub(super) min_ready: Duration,
    /// How long a worker may be silent.
    pub(super) silence: Duration,
    /// How long a worker may take to stop.
    pub(super) stop_timeout: Duration,
    pub(super) recycle: RecycleLimits,
}

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The application in the worker is ready.
    Ready(WorkerId),
    /// The worker stops by itself: somebody has sent it a signal.
    Leaving(WorkerId),
    /// It lives.
    Beat(WorkerId, Beat),
    /// It has answered a probe.
    Probed(WorkerId, bool),
    /// It has ended.
    Exited(WorkerId, Ended),
}

/// What a worker says of itself each second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) rss: u64,
    pub(super) requests: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(u8),
    Signal(u8),
    /// It could not be started.
    NotStarted,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Launch {
        id: WorkerId,
        slot: u32,
        generation: u32,
    },
    /// To stop in order; the second time, to hurry.
    Stop(WorkerId),
    /// To write down how it is, if it still can.
    Dump(WorkerId),
    Abort(WorkerId),
    Kill(WorkerId),
    /// To be asked whether it is healthy.
    Probe(WorkerId),
    /// To accept for a slot that nobody serves.
    Lend {
        slot: u32,
        to: WorkerId,
    },
    Return {
        slot: u32,
        from: WorkerId,
    },
}

/// Something that whoever watches should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// A worker is started again.
    Restarting {
        slot: u32,
        reason: &'static str,
        wait: Duration,
    },
    Degraded,
    Recovered,
    /// A slot has a new worker, on purpose.
    Replaced {
        slot: u32,
        generation: u32,
    },
    /// It was to have one, and keeps the old one.
    NotReplaced {
        slot: u32,
        why: String,
    },
    /// All have one; or not all, and why.
    Rolled(Result<u32, String>),
}

/// How it all ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stopped,
    /// No worker serves, and none can be started.
    Failed(Ended),
}

/// How far a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerState {
    Starting,
    Ready,
    Draining,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) slot: u32,
    pub(super) generation: u32,
    pub(super) state: WorkerState,
    started: Instant,
    ready: Option<Instant>,
    heard: Instant,
    beat: Beat,
    /// When it was told to stop, was given up, or left.
    let_go: Option<LetGo>,
    /// A little different for each, so that those that started together are not recycled together.
    spread: f64,
    recycle_after: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct LetGo {
    at: Instant,
    /// It is silent, and there is no use in telling it anything.
    silent: bool,
    aborted: bool,
    killed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) current: Option<WorkerId>,
    /// Nobody is to serve it, as the cluster was made smaller.
    pub(super) retired: bool,
    pub(super) generation: u32,
    failures: u32,
    restarts: u64,
    start_at: Option<Instant>,
    unserved_since: Option<Instant>,
    lent_to: Option<WorkerId>,
}

#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) rules: Rules,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    pub(super) slots: Vec<Slot>,
    /// The newest generation.
    pub(super) generation: u32,
    pub(super) roll: Option<Roll>,
    pub(super) step: Option<Step>,
    next_id: u64,
    seed: u64,
    intensity: Intensity,
    degraded: bool,
    restarts: BTreeMap<&'static str, u64>,
    ever_ready: bool,
    pub(super) stopping: bool,
    failed: Option<Ended>,
    ticked: Instant,
    pub(super) actions: Vec<Action>,
    pub(super) notices: Vec<Notice>,
}

/// So many attempts of a slot are made before there was ever a worker that was ready, and after.
const FIRST_ATTEMPTS: u32 = 3;
const ATTEMPTS: u32 = 5;

/// Trying again does not help against: bad usage, an address in use, what the operating system
/// refuses, bad configuration.
const HOPELESS: [u8; 4] = [64, 69, 71, 78];

/// After so long a worker is taken to be well, and its slot's failures are forgotten.
const WELL: Duration = Duration::from_secs(60);

impl Supervisor {
    pub(super) fn new(rules: Rules, seed: u64, now: Instant) -> Self {
        Self {
            rules,
            workers: BTreeMap::new(),
            slots: Vec::new(),
            generation: 1,
            roll: None,
            step: None,
            next_id: 1,
            seed: seed | 1,
            intensity: Intensity::default(),
            degraded: false,
            restarts: BTreeMap::new(),
            ever_ready: false,
            stopping: false,
            failed: None,
            ticked: now,
            actions: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// What is to be done now.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// What was worth a word.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// How it ended, once it has.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let over = self.stopping && self.workers.is_empty();
        over.then(|| self.failed.map_or(Outcome::Stopped, Outcome::Failed))
    }

    /// Has `workers` slots from now on.
    pub(super) fn scale(&mut self, workers: usize, now: Instant) {
        let generation = self.generation;
        while self.slots.len() < workers {
            self.slots.push(Slot { generation, start_at: Some(now), ..Slot::default() });
        }
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let retired = index >= workers;
            if std::mem::replace(&mut slot.retired, retired) != retired {
                (slot.start_at, slot.failures) = ((!retired).then_some(now), 0);
                (slot.generation, slot.current) = (generation, None);
            }
        }
        let left_over = |slot: u32| self.slots[slot as usize].retired;
        let left_over: Vec<_> =
            self.workers.iter().filter(|(_, it)| left_over(it.slot)).map(|(id, _)| *id).collect();
        self.forget_retired();
        left_over.into_iter().for_each(|id| self.let_go(id, now));
        self.tick(now);
    }

    /// Stops all workers; called again, hurries them.
    pub(super) fn stop(&mut self, now: Instant) {
        self.stopping = true;
        self.slots.iter_mut().for_each(|slot| slot.start_at = None);
        self.give_up_rolling("the application stops");
        let all: Vec<_> = self.workers.keys().copied().collect();
        for id in all {
            if self.workers[&id].let_go.is_some() {
                self.actions.push(Action::Stop(id));
            }
            self.let_go(id, now);
        }
        self.tick(now);
    }

    /// Ends all workers at once.
    pub(super) fn kill(&mut self) {
        self.stopping = true;
        self.slots.iter_mut().for_each(|slot| slot.start_at = None);
        self.actions.extend(self.workers.keys().map(|id| Action::Kill(*id)));
    }

    pub(super) fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Ready(id) => self.ready(id, now),
            Event::Beat(id, beat) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    (worker.heard, worker.beat) = (now, beat);
                }
            }
            Event::Leaving(id) => self.leaving(id, now),
            Event::Probed(id, healthy) => self.probed(id, healthy, now),
            Event::Exited(id, ended) => self.exited(id, ended, now),
        }
        self.tick(now);
    }

    fn ready(&mut self, id: WorkerId, now: Instant) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if worker.state == WorkerState::Starting {
            (worker.state, worker.ready, worker.heard) = (WorkerState::Ready, Some(now), now);
            self.ever_ready = true;
        }
    }

    /// A worker that nobody here has told to stop stops: its place is filled at once.
    fn leaving(&mut self, id: WorkerId, now: Instant) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        // One that was never ready fails, and its end says how.
        if worker.let_go.is_some() || worker.state == WorkerState::Starting {
            return;
        }
        worker.state = WorkerState::Draining;
        worker.let_go = Some(LetGo::at(now));
        let slot = worker.slot;
        if self.is_incoming(id) {
            self.step_failed("the new worker was told to stop", now);
        } else if self.slots[slot as usize].current == Some(id) {
            self.vacant(slot, "left", now);
        }
    }

    fn exited(&mut self, id: WorkerId, ended: Ended, now: Instant) {
        let Some(worker) = self.workers.remove(&id) else { return };
        if self.is_incoming(id) {
            self.step_failed(&format!("the new worker {ended}"), now);
            return;
        }
        let slot = &mut self.slots[worker.slot as usize];
        if slot.current != Some(id) {
            return;
        }
        if worker.ready.is_some_and(|ready| now.duration_since(ready) >= WELL) {
            slot.failures = 0;
        }
        slot.failures += 1;
        let failures = slot.failures;
        let hopeless = matches!(ended, Ended::Code(code) if HOPELESS.contains(&code));
        let reason = match (worker.ready, ended) {
            (None, _) => "boot",
            // Somebody has told it to stop, and it was quick.
            (Some(_), Ended::Code(0)) => "left",
            (Some(_), _) => "exit",
        };
        self.vacant(worker.slot, reason, now);
        let serving = self.workers.values().any(|it| it.state == WorkerState::Ready);
        let attempts = if self.ever_ready { ATTEMPTS } else { FIRST_ATTEMPTS };
        let in_vain = failures >= attempts || (hopeless && !self.ever_ready);
        let goes_on = is_planted("never-gives-up");
        if in_vain && !serving && !self.stopping && !goes_on {
            self.failed = Some(ended);
            self.stop(now);
        }
    }

    /// A slot has lost its worker, and gets another one.
    pub(super) fn vacant(&mut self, index: u32, reason: &'static str, now: Instant) {
        let random = self.random();
        let slot = &mut self.slots[index as usize];
        slot.current = None;
        if self.stopping || slot.retired {
            return;
        }
        let mut wait = self.rules.restart.wait(slot.failures, random);
        if self.intensity.note(&self.rules.restart, now) {
            wait = wait.max(WHEN_DEGRADED);
        }
        if is_planted("restarts-at-once") {
            wait = Duration::ZERO;
        }
        slot.start_at = Some(now + wait);
        self.count_restart(index, reason);
        self.notices.push(Notice::Restarting { slot: index, reason, wait });
    }

    pub(super) fn count_restart(&mut self, slot: u32, reason: &'static str) {
        self.slots[slot as usize].restarts += 1;
        *self.restarts.entry(reason).or_default() += 1;
    }

    /// Tells a worker to stop, once.
    pub(super) fn let_go(&mut self, id: WorkerId, now: Instant) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if worker.let_go.is_none() {
            worker.let_go = Some(LetGo::at(now));
            worker.state = WorkerState::Draining;
            self.actions.push(Action::Stop(id));
        }
    }

    pub(super) fn launch(&mut self, slot: u32, generation: u32, now: Instant) -> WorkerId {
        let id = WorkerId(self.next_id);
        self.next_id += 1;
        let spread = self.random();
        self.workers.insert(
            id,
            Worker {
                slot,
                generation,
                state: WorkerState::Starting,
                started: now,
                ready: None,
                heard: now,
                beat: Beat::default(),
                let_go: None,
                spread,
                recycle_after: None,
            },
        );
        self.actions.push(Action::Launch { id, slot, generation });
        id
    }

    /// A number between 0 and 1, by Marsaglia's xorshift: it only has to differ between slots.
    fn random(&mut self) -> f64 {
        let mut seed = self.seed;
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        self.seed = seed;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
        let number = (seed >> 11) as f64 / (1_u64 << 53) as f64;
        number
    }
}

impl LetGo {
    fn at(at: Instant) -> Self {
        Self { at, silent: false, aborted: false, killed: false }
    }
}

impl Worker {
    /// Serves, as far as is known.
    pub(super) fn serves(&self) -> bool {
        self.state == WorkerState::Ready && self.let_go.is_none()
    }

    pub(super) fn ready_since(&self) -> Option<Instant> {
        self.ready
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::NotStarted => f.write_str("could not be started"),
        }
    }
}
