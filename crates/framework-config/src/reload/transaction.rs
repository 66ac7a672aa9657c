use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use framework_core::{contain, is_planted};
use tokio::{
    task,
    time::{Instant, sleep, timeout},
};

use super::{
    ConfigChange, Prepared, ReloadClass, ReloadError, ReloadOutcome, ReloadRecord, ReloadTrigger,
    change::changes,
    owner::{Owner, PrepareFuture},
    probation::Trial,
};
use crate::{
    config_settings::{ConfigSettings, OnRestartKeys},
    error::ConfigError,
    file_watch::Fingerprint,
    loaded::Loaded,
    reading::Touched,
    section::Section,
    snapshot::{LastGood, Snapshot},
    sources::Attempt,
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

/// A configuration that could come into force.
struct Candidate {
    snapshot: Snapshot,
    /// What comes into force.
    changes: Vec<ConfigChange>,
    /// What waits for the next start.
    pending: Vec<ConfigChange>,
    /// The indices of the sections that change.
    sections: Vec<usize>,
    /// What it was read from.
    files: FileHashes,
}

/// Every file that a configuration is read from or would be if it were there, each with a number
/// for what it holds; `None` for one that is not there.
pub(crate) type FileHashes = BTreeMap<PathBuf, Option<u64>>;

/// A configuration that waits only to be put into force.
pub(crate) struct Staged {
    candidate: Candidate,
    prepared: AllPrepared,
    old: Arc<Snapshot>,
}

/// What a reload has found out so far.
pub(crate) struct Findings {
    trigger: ReloadTrigger,
    at: SystemTime,
    began: Instant,
    changes: Vec<ConfigChange>,
    pending: Vec<ConfigChange>,
    late: Vec<String>,
}

/// Reads the sources again, and puts what they say into force if nothing speaks against it.
///
/// # Cancel safety
///
/// If this is dropped, the old configuration stays in force, and what was prepared is dropped.
pub(crate) async fn reload(store: &Store, trigger: ReloadTrigger) -> Arc<ReloadRecord> {
    let mut findings = Findings::new(trigger);
    let outcome = match stage(store, true, &mut findings).await {
        Ok(staged) => finish(store, staged, false, &mut findings),
        Err(error) => ReloadOutcome::Rejected(error),
    };
    let record = findings.record(store, outcome);
    store.history.add(&record);
    record
}

/// Finds out what [`reload`] would do; with `ask`, the owners prepare for it too.
pub(crate) async fn dry_run(store: &Store, ask: bool) -> Arc<ReloadRecord> {
    let mut findings = Findings::new(ReloadTrigger::Call);
    let outcome = match stage(store, ask, &mut findings).await {
        Ok(staged) => staged.outlook(),
        Err(error) => ReloadOutcome::Rejected(error),
    };
    findings.record(store, outcome)
}

/// Does all of a reload that can fail. A refusal is kept like that of a [`reload`], and is not
/// logged: whoever asks several processes says once what came of it.
pub(crate) async fn prepare_reload(
    store: &Store,
    trigger: ReloadTrigger,
) -> Result<(Staged, Findings), Arc<ReloadRecord>> {
    let mut findings = Findings::new(trigger);
    match stage(store, true, &mut findings).await {
        Ok(staged) => Ok((staged, findings)),
        Err(error) => {
            let record = findings.record(store, ReloadOutcome::Rejected(error));
            store.history.keep(&record);
            Err(record)
        }
    }
}

/// Does what is left of a reload, which cannot fail.
pub(crate) fn commit_reload(
    store: &Store,
    staged: Staged,
    mut findings: Findings,
) -> Arc<ReloadRecord> {
    let outcome = finish(store, staged, true, &mut findings);
    let record = findings.record(store, outcome);
    store.history.add(&record);
    record
}

/// Puts the configuration before the one on probation back into force, if that is still in force,
/// and keeps that one from coming back.
pub(crate) async fn go_back(store: &Store, trial: &Trial, cause: String) -> Arc<ReloadRecord> {
    let mut findings = Findings::new(ReloadTrigger::Probation);
    let outcome = match attempt_to_go_back(store, trial, &cause, &mut findings).await {
        Ok(()) => ReloadOutcome::RolledBack { cause },
        Err(error) => ReloadOutcome::Rejected(error),
    };
    let record = findings.record(store, outcome);
    store.history.add(&record);
    record
}

async fn attempt_to_go_back(
    store: &Store,
    trial: &Trial,
    cause: &str,
    findings: &mut Findings,
) -> Result<(), ReloadError> {
    let (Some(basis), Some(bad), Some(previous)) =
        (store.basis(), store.in_force(), &trial.previous)
    else {
        return Err(ReloadError::NothingInForce);
    };
    if bad.report().generation() != trial.generation {
        return Err(ReloadError::Interrupted("another configuration is in force".into()));
    }
    let snapshot = previous.again(store.next_generation());
    let mut sections = Vec::new();
    for (index, section) in basis.sections().iter().enumerate() {
        let found = changes(section, index, &bad, &snapshot);
        if !found.is_empty() {
            sections.push(index);
            findings.changes.extend(found);
        }
    }
    let prepared = prepare(&store.owners.all(), &sections, &bad, &snapshot).await?;
    store.probation.quarantine(bad.hash(), cause.to_owned());
    commit(store, snapshot, prepared, findings);
    Ok(())
}

impl Findings {
    fn new(trigger: ReloadTrigger) -> Self {
        let (at, began) = (SystemTime::now(), Instant::now());
        let (changes, pending, late) = (Vec::new(), Vec::new(), Vec::new());
        Self { trigger, at, began, changes, pending, late }
    }

    pub(crate) fn changes(&self) -> &[ConfigChange] {
        &self.changes
    }

    fn record(self, store: &Store, outcome: ReloadOutcome) -> Arc<ReloadRecord> {
        let generation = store.load().map_or(0, |snapshot| snapshot.report().generation());
        let Self { trigger, at, began, changes, pending, late } = self;
        let took = began.elapsed();
        Arc::new(ReloadRecord { trigger, at, took, generation, changes, pending, outcome, late })
    }
}

impl Staged {
    /// What becomes of it if nothing happens before it is put into force.
    pub(crate) fn outlook(&self) -> ReloadOutcome {
        match self.candidate.changes.is_empty() {
            true => self.told(),
            false => ReloadOutcome::Acceptable,
        }
    }

    pub(crate) fn files(&self) -> &FileHashes {
        &self.candidate.files
    }

    /// What becomes of it where nothing changes.
    fn told(&self) -> ReloadOutcome {
        match same_keys(&self.candidate.pending, self.old.report().pending()) {
            true => ReloadOutcome::Unchanged,
            false => ReloadOutcome::Pending,
        }
    }
}

/// Does all that can fail; with `ask`, asks the owners of the sections that change.
async fn stage(store: &Store, ask: bool, findings: &mut Findings) -> Result<Staged, ReloadError> {
    let (Some(basis), Some(old)) = (store.basis(), store.in_force()) else {
        return Err(ReloadError::NothingInForce);
    };
    let candidate = read(store, basis, &old).await?;
    let Candidate { snapshot, changes, pending, sections, .. } = &candidate;
    if let Some(cause) = store.probation.quarantined(snapshot.hash()) {
        return Err(ReloadError::Quarantined { cause });
    }
    findings.changes = [&changes[..], &pending[..]].concat();
    findings.pending.clone_from(pending);
    refuse_restart(changes)?;
    let prepared = match ask {
        true => prepare(&store.owners.all(), sections, &old, snapshot).await?,
        false => AllPrepared::default(),
    };
    Ok(Staged { candidate, prepared, old })
}

/// Puts what was staged into force; `together` with other processes, or alone.
fn finish(store: &Store, staged: Staged, together: bool, findings: &mut Findings) -> ReloadOutcome {
    if staged.candidate.changes.is_empty() {
        let outcome = staged.told();
        // The same values, but they may stand on other lines than before.
        store.commit(staged.candidate.snapshot);
        return outcome;
    }
    let Staged { candidate: Candidate { snapshot, sections, .. }, prepared, old } = staged;
    let generation = snapshot.report().generation();
    commit(store, snapshot, prepared, findings);
    if let (Some(settings), Some(basis)) = (settings(&old), store.basis()) {
        // Without modules, a section speaks for itself.
        let readers = |index: &usize| match basis.sections[*index].readers() {
            [] => vec![basis.sections[*index].name().to_owned()],
            readers => readers.to_vec(),
        };
        let modules = sections.iter().flat_map(readers).collect();
        let previous = (!settings.confirm.is_zero()).then_some(old);
        store.probation.begin(previous, generation, together, modules, settings.confirm);
    }
    ReloadOutcome::Applied
}

/// How the configuration itself is treated; `None` where nobody has asked for that.
pub(crate) fn settings(snapshot: &Snapshot) -> Option<Arc<ConfigSettings>> {
    snapshot.section("config")
}

/// From here on nothing waits and nothing fails: whoever reads sees the old configuration or the
/// new one, and who has prepared follows at once.
fn commit(store: &Store, snapshot: Snapshot, prepared: AllPrepared, findings: &mut Findings) {
    store.commit(snapshot);
    for (owner, prepared) in prepared.into_each() {
        if let Err(panic) = prepared.commit() {
            findings.late.push(format!("`{owner}` panicked: {panic}"));
        }
    }
}

fn same_keys(one: &[ConfigChange], other: &[ConfigChange]) -> bool {
    let same =
        |(one, other): (&ConfigChange, &ConfigChange)| one.key == other.key && one.new == other.new;
    one.len() == other.len() && one.iter().zip(other).all(same)
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
            Ok(Ok(Some((held, touched, candidate)))) => {
                store.attempted(held, touched);
                return Ok(candidate?);
            }
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
) -> Option<(Fingerprint, Touched, Result<Candidate, ConfigError>)> {
    let print = || Fingerprint::take(paths.iter().map(|(_, path)| path.as_path()));
    let before = print();
    let is_gone = |(known, path): &(bool, PathBuf)| patient && *known && !path.exists();
    if paths.iter().any(|(_, path)| is_fresh(path)) || paths.iter().any(is_gone) {
        return None;
    }
    let (touched, candidate) = candidate(basis, old);
    if print() != before {
        return None;
    }
    let candidate = candidate.map(|it| {
        let files = hashes(paths, &before, &touched, &it.snapshot);
        Candidate { files, ..it }
    });
    Some((before, touched, candidate))
}

fn hashes(
    paths: &[(bool, PathBuf)],
    held: &Fingerprint,
    touched: &Touched,
    snapshot: &Snapshot,
) -> FileHashes {
    let known = paths.iter().map(|(_, path)| (path.clone(), held.of(path)));
    // What is included or referred to may be so for the first time.
    let referred = snapshot.references().map(Path::new);
    let referred = Fingerprint::take(referred.filter(|path| held.of(path).is_none()));
    let new = touched.read.all().chain(referred.all());
    let new = new.map(|(path, hash)| (path.clone(), Some(hash)));
    known.chain(new).chain(touched.matches()).collect()
}

/// Whether a file ends where those end that are being written, and was written just now.
fn is_fresh(path: &Path) -> bool {
    let Ok(about) = path.metadata() else { return false };
    let age = about.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    about.len().is_multiple_of(BLOCK_BYTES) && age.is_some_and(|age| age < FRESH)
}

fn candidate(basis: &Basis, old: &Snapshot) -> (Touched, Result<Candidate, ConfigError>) {
    let sections = basis.sections();
    let Attempt { loaded, touched, .. } = basis.sources.attempt();
    let candidate = match loaded {
        Ok(loaded) => candidate_of(loaded, &sections, old),
        Err(error) => Err(error.revealed(&sections)),
    };
    (touched, candidate)
}

fn candidate_of(
    mut loaded: Loaded,
    sections: &[&Section],
    old: &Snapshot,
) -> Result<Candidate, ConfigError> {
    let generation = old.report().generation();
    let (mut snapshot, mut found) = compare(&loaded, sections, old)?;
    let late: Vec<_> = found.changes.iter().filter(|it| it.class != ReloadClass::Hot).collect();
    let mut pending = Vec::new();
    let report = settings(old).is_some_and(|it| it.on_restart_keys == OnRestartKeys::Report);
    if report && !late.is_empty() {
        pending = late.into_iter().cloned().collect();
        for change in &pending {
            loaded.put(&change.path, old.at(&change.path).cloned());
        }
        (snapshot, found) = compare(&loaded, sections, old)?;
    }
    let Found { changes, sections: changed } = found;
    snapshot = match (changes.is_empty(), pending.is_empty()) {
        (true, _) => snapshot.of_generation(generation).worth_what(old),
        // Nobody has seen these files work as a whole.
        (false, false) => snapshot.worth_what(old),
        (false, true) => snapshot.worth_keeping(&loaded, sections),
    };
    if changes.is_empty()
        && let Some(last_good) = old.last_good()
    {
        snapshot = snapshot.started_for(LastGood::clone(last_good));
    }
    snapshot = snapshot.waiting_for_restart(pending.clone());
    Ok(Candidate { snapshot, changes, pending, sections: changed, files: FileHashes::new() })
}

/// What differs from the configuration in force.
struct Found {
    changes: Vec<ConfigChange>,
    sections: Vec<usize>,
}

fn compare(
    loaded: &Loaded,
    sections: &[&Section],
    old: &Snapshot,
) -> Result<(Snapshot, Found), ConfigError> {
    let (mut snapshot, faults) = Snapshot::bind(loaded, sections, old.report().generation() + 1);
    if let Some(error) = ConfigError::of(faults) {
        return Err(error);
    }
    let mut found = Found { changes: Vec::new(), sections: Vec::new() };
    for (index, section) in sections.iter().enumerate() {
        let differences = changes(section, index, old, &snapshot);
        if differences.is_empty() {
            // The very same value, so that whoever watches it sees that nothing has changed.
            snapshot.keep(index, old);
        } else {
            found.sections.push(index);
            found.changes.extend(differences);
        }
    }
    Ok((snapshot, found))
}

fn refuse_restart(changes: &[ConfigChange]) -> Result<(), ReloadError> {
    let of = |class: ReloadClass| -> Vec<String> {
        let changes = changes.iter().filter(|change| change.class == class);
        changes.map(|change| change.key.clone()).collect()
    };
    let (keys, module_keys) = (of(ReloadClass::Restart), of(ReloadClass::Module));
    match keys.is_empty() && module_keys.is_empty() || is_planted("changes-in-vain") {
        true => Ok(()),
        false => Err(ReloadError::NeedsRestart { keys, module_keys }),
    }
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
