use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use framework_core::contain;
use tokio::{
    task,
    time::{Instant, sleep, timeout},
};

use super::{
    ConfigChange, Prepared, ReloadClass, ReloadError, ReloadOutcome, ReloadRecord, ReloadTrigger,
    change::changes,
    owner::{Owner, PrepareFuture},
};
use crate::{
    error::ConfigError,
    file_watch::Fingerprint,
    snapshot::Snapshot,
    store::{Basis, Store},
};

/// How long reading may take, for files that never end or never answer.
const READ_LIMIT: Duration = Duration::from_secs(5);

/// How long one owner may take to prepare.
const OWNER_LIMIT: Duration = Duration::from_secs(5);

/// How long all owners together may take to prepare.
const OWNERS_LIMIT: Duration = Duration::from_secs(15);

/// How long ago a file was written that may be written still.
const FRESH: Duration = Duration::from_millis(100);

/// How long to wait for a file that is gone; then it is gone for good.
const MOVE_LIMIT: Duration = Duration::from_millis(500);

/// How long to wait for files that do not stop changing.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// What files are written in multiples of until their end, 0 included.
const BLOCK_BYTES: u64 = 4096;

/// How far a reload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To the end.
    Apply,
    /// Up to where the new configuration would come into force; `prepare` asks the owners too.
    DryRun { prepare: bool },
}

/// A configuration that could come into force.
struct Candidate {
    snapshot: Snapshot,
    changes: Vec<ConfigChange>,
    /// The indices of the sections that change.
    sections: Vec<usize>,
}

/// What a reload has found out so far.
#[derive(Default)]
struct Findings {
    changes: Vec<ConfigChange>,
    late: Vec<String>,
}

/// Reads the sources again, and puts what they say into force if nothing speaks against it.
///
/// # Cancel safety
///
/// If this is dropped, the old configuration stays in force, and what was prepared is dropped.
pub(crate) async fn reload(store: &Store, trigger: ReloadTrigger, mode: Mode) -> Arc<ReloadRecord> {
    let (at, began) = (SystemTime::now(), Instant::now());
    let mut findings = Findings::default();
    let outcome = match attempt(store, mode, &mut findings).await {
        Ok(outcome) => outcome,
        Err(error) => ReloadOutcome::Rejected(error),
    };
    let generation = store.load().map_or(0, |snapshot| snapshot.report().generation());
    let Findings { changes, late } = findings;
    let took = began.elapsed();
    let record = Arc::new(ReloadRecord { trigger, at, took, generation, changes, outcome, late });
    if mode == Mode::Apply {
        store.history.add(&record);
    }
    record
}

async fn attempt(
    store: &Store,
    mode: Mode,
    findings: &mut Findings,
) -> Result<ReloadOutcome, ReloadError> {
    let (Some(basis), Some(old)) = (store.basis(), store.in_force()) else {
        return Err(ReloadError::NothingInForce);
    };
    let Candidate { snapshot, changes, sections } = read(store, basis, &old).await?;
    findings.changes.clone_from(&changes);
    if changes.is_empty() {
        // The same values, but they may stand on other lines than before.
        if mode == Mode::Apply {
            store.commit(snapshot);
        }
        return Ok(ReloadOutcome::Unchanged);
    }
    refuse_restart(&changes)?;
    if mode == (Mode::DryRun { prepare: false }) {
        return Ok(ReloadOutcome::Acceptable);
    }
    let prepared = prepare(&store.owners.all(), &sections, &old, &snapshot).await?;
    if mode != Mode::Apply {
        return Ok(ReloadOutcome::Acceptable);
    }
    // From here on nothing waits and nothing fails: whoever reads sees the old configuration or
    // the new one, and who has prepared follows at once.
    store.commit(snapshot);
    for (owner, prepared) in prepared.into_each() {
        if let Err(panic) = prepared.commit() {
            findings.late.push(format!("`{owner}` panicked: {panic}"));
        }
    }
    Ok(ReloadOutcome::Applied)
}

async fn read(
    store: &Store,
    basis: &Arc<Basis>,
    old: &Arc<Snapshot>,
) -> Result<Candidate, ReloadError> {
    let known: Vec<_> = old.report().files().map(PathBuf::from).collect();
    let paths: Arc<[_]> =
        store.paths().into_iter().map(|path| (known.contains(&path), path)).collect();
    let began = Instant::now();
    loop {
        let (basis, old, paths) = (Arc::clone(basis), Arc::clone(old), Arc::clone(&paths));
        let patient = began.elapsed() < MOVE_LIMIT;
        let reading = task::spawn_blocking(move || attempt_to_read(&basis, &old, &paths, patient));
        match timeout(READ_LIMIT, reading).await {
            Ok(Ok(Some(candidate))) => return Ok(candidate?),
            Ok(Ok(None)) if began.elapsed() >= WRITE_LIMIT => {
                return Err(ReloadError::Unsettled { after: WRITE_LIMIT });
            }
            Ok(Ok(None)) => sleep(FRESH / 4).await,
            Ok(Err(error)) => return Err(ReloadError::Interrupted(error.into())),
            Err(_) => {
                let what = "reading the sources".to_owned();
                return Err(ReloadError::TimedOut { what, after: READ_LIMIT });
            }
        }
    }
}

/// Reads the sources, unless it looks as if somebody were in the middle of writing a file.
///
/// Who writes a file in place empties it first, others move the old one away, and both an empty
/// file and none are a configuration too: that of all defaults. So what is read counts only if the
/// files were the same before and after. `paths` says of each whether it was there; `patient`
/// waits for those that are gone.
fn attempt_to_read(
    basis: &Basis,
    old: &Snapshot,
    paths: &[(bool, PathBuf)],
    patient: bool,
) -> Option<Result<Candidate, ConfigError>> {
    let print = || Fingerprint::take(paths.iter().map(|(_, path)| path.as_path()));
    let before = print();
    let is_gone = |(known, path): &(bool, PathBuf)| patient && *known && !path.exists();
    if paths.iter().any(|(_, path)| is_fresh(path)) || paths.iter().any(is_gone) {
        return None;
    }
    let candidate = candidate(basis, old);
    (print() == before).then_some(candidate)
}

/// Whether a file ends where those end that are being written, and was written just now.
fn is_fresh(path: &Path) -> bool {
    let Ok(about) = path.metadata() else { return false };
    let age = about.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    about.len().is_multiple_of(BLOCK_BYTES) && age.is_some_and(|age| age < FRESH)
}

fn candidate(basis: &Basis, old: &Snapshot) -> Result<Candidate, ConfigError> {
    let loaded = basis.sources.load()?;
    let sections = basis.sections();
    let generation = old.report().generation();
    let (mut snapshot, faults) = Snapshot::bind(&loaded, &sections, generation + 1);
    if let Some(error) = ConfigError::of(faults) {
        return Err(error);
    }
    let (mut all, mut changed) = (Vec::new(), Vec::new());
    for (index, section) in sections.iter().enumerate() {
        let found = changes(section, index, old, &snapshot);
        if found.is_empty() {
            // The very same value, so that whoever watches it sees that nothing has changed.
            snapshot.keep(index, old);
        } else {
            changed.push(index);
            all.extend(found);
        }
    }
    if all.is_empty() {
        snapshot = snapshot.of_generation(generation);
    }
    Ok(Candidate { snapshot, changes: all, sections: changed })
}

fn refuse_restart(changes: &[ConfigChange]) -> Result<(), ReloadError> {
    let restart = changes.iter().filter(|change| change.class == ReloadClass::Restart);
    let keys: Vec<_> = restart.map(|change| change.key.clone()).collect();
    if keys.is_empty() { Ok(()) } else { Err(ReloadError::NeedsRestart { keys }) }
}

/// What the owners have prepared so far; dropped in reverse.
#[derive(Default)]
struct AllPrepared(Vec<(String, Prepared)>);

impl AllPrepared {
    fn into_each(mut self) -> Vec<(String, Prepared)> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for AllPrepared {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

/// Asks the owner of each section that changes, one after the other.
async fn prepare(
    owners: &[Arc<Owner>],
    changed: &[usize],
    old: &Snapshot,
    new: &Snapshot,
) -> Result<AllPrepared, ReloadError> {
    let mut all = AllPrepared::default();
    let end = Instant::now() + OWNERS_LIMIT;
    for owner in owners.iter().filter(|owner| changed.contains(&owner.section)) {
        let (Some(before), Some(after)) = (old.value(owner.section), new.value(owner.section))
        else {
            continue;
        };
        let (before, after) = (Arc::clone(before), Arc::clone(after));
        let asked = Arc::clone(owner);
        let answer = contain(move || -> PrepareFuture { (asked.prepare)(before, after) });
        let limit = OWNER_LIMIT.min(end.saturating_duration_since(Instant::now()));
        match timeout(limit, answer).await {
            Ok(Ok(prepared)) => all.0.push((owner.name.clone(), prepared)),
            Ok(Err(source)) => {
                let section = new.name(owner.section).to_owned();
                return Err(ReloadError::Vetoed { owner: owner.name.clone(), section, source });
            }
            Err(_) => {
                return Err(ReloadError::TimedOut { what: owner.name.clone(), after: limit });
            }
        }
    }
    Ok(all)
}
