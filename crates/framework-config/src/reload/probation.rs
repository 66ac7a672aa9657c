//! The time in which a configuration that has come into force has to prove itself.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    readiness::{Obstacle, Readiness},
    snapshot::Snapshot,
    store::lock,
};

/// How often to look whether the application is ready.
const LOOK: Duration = Duration::from_millis(100);

/// How many configurations that failed are remembered.
const MAX_QUARANTINED: usize = 16;

/// Whether the configuration in force is on probation, and which ones have failed.
#[derive(Default)]
pub(crate) struct Probation {
    readiness: OnceLock<Arc<dyn Readiness>>,
    running: Mutex<Option<Trial>>,
    /// The last one, while what it was about is in force and others may still have it taken back.
    over: Mutex<Option<Trial>>,
    begun: Notify,
    failed: Mutex<VecDeque<Quarantined>>,
}

/// One configuration on probation.
#[derive(Clone)]
pub(crate) struct Trial {
    /// What comes back if it fails; `None` for the one that the application has started with.
    pub(crate) previous: Option<Arc<Snapshot>>,
    pub(crate) generation: u64,
    /// Whether it came into force in other processes too.
    pub(crate) together: bool,
    /// The modules that read a section that is another than before.
    modules: Vec<String>,
    was_ready: bool,
    ends: Instant,
}

/// How a probation ended.
pub(crate) enum Verdict {
    /// The application is as ready as it was. `ready` says whether it is.
    Held { ready: bool },
    /// A module for which something changed makes the application unready.
    Failed { trial: Trial, obstacle: Obstacle },
}

/// A configuration that must not come into force again.
struct Quarantined {
    hash: u64,
    cause: String,
}

impl Probation {
    /// Asks `readiness` from now on; the first counts.
    pub(crate) fn follow(&self, readiness: Arc<dyn Readiness>) {
        let _ = self.readiness.set(readiness);
    }

    /// Puts the configuration that has just come into force on probation. One that was on probation
    /// before it has not held: what comes back is what was there before both.
    pub(crate) fn begin(
        &self,
        previous: Option<Arc<Snapshot>>,
        generation: u64,
        together: bool,
        mut modules: Vec<String>,
        time: Duration,
    ) {
        let mut running = lock(&self.running);
        let (mut previous, mut was_ready) = (previous, self.obstacles().is_empty());
        if let Some(before) = running.take() {
            previous = before.previous.or(previous);
            was_ready |= before.was_ready;
            modules.extend(before.modules);
        }
        let ends = Instant::now() + time;
        *running = Some(Trial { previous, generation, together, modules, was_ready, ends });
        drop(running);
        if let Some(readiness) = self.readiness.get() {
            readiness.look_closely(time);
        }
        self.begun.notify_one();
    }

    /// Completes when a probation ends.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what is known of a probation is kept until this completes.
    pub(crate) async fn verdict(&self) -> Verdict {
        loop {
            let begun = self.begun.notified();
            match self.look() {
                Some(Some(verdict)) => return verdict,
                Some(None) => sleep(LOOK).await,
                None => begun.await,
            }
        }
    }

    /// Looks once; `None` if nothing is on probation.
    fn look(&self) -> Option<Option<Verdict>> {
        let mut running = lock(&self.running);
        let trial = running.as_mut()?;
        let obstacles = self.obstacles();
        let ready = obstacles.is_empty();
        let theirs = |obstacle: &Obstacle| trial.modules.contains(&obstacle.module);
        if trial.was_ready
            && trial.previous.is_some()
            && let Some(obstacle) = obstacles.into_iter().find(theirs)
        {
            let trial = running.take()?;
            return Some(Some(Verdict::Failed { trial, obstacle }));
        }
        trial.was_ready |= ready;
        if Instant::now() < trial.ends {
            return Some(None);
        }
        *lock(&self.over) = running.take();
        Some(Some(Verdict::Held { ready }))
    }

    /// Keeps a configuration that has failed until it is taken back.
    pub(crate) fn leave_to_others(&self, trial: Trial) {
        *lock(&self.over) = Some(trial);
    }

    /// Ends the last probation, if there is anything to go back to.
    pub(crate) fn take(&self) -> Option<Trial> {
        let trial = lock(&self.running).take().or_else(|| lock(&self.over).take());
        trial.filter(|trial| trial.previous.is_some())
    }

    fn obstacles(&self) -> Vec<Obstacle> {
        self.readiness.get().map(|readiness| readiness.obstacles()).unwrap_or_default()
    }

    /// Keeps the configuration whose content has this hash from coming into force again.
    pub(crate) fn quarantine(&self, hash: u64, cause: String) {
        let mut failed = lock(&self.failed);
        failed.retain(|known| known.hash != hash);
        if failed.len() == MAX_QUARANTINED {
            failed.pop_front();
        }
        failed.push_back(Quarantined { hash, cause });
    }

    /// Why the configuration whose content has this hash must not come into force.
    pub(crate) fn quarantined(&self, hash: u64) -> Option<String> {
        let failed = lock(&self.failed);
        failed.iter().find(|known| known.hash == hash).map(|known| known.cause.clone())
    }
}
