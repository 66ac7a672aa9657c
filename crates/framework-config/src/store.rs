use std::{
    fmt,
    ops::Deref,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::watch;

use crate::{
    error::ConfigError,
    file_watch::Fingerprint,
    reading::Touched,
    reload::{Flight, History, Owners, Probation, Requests},
    section::Section,
    snapshot::Snapshot,
    sources::Sources,
};

/// Where the configuration in force is kept, and everything that is needed to put another one in
/// its place. Reading takes one atomic load and no lock.
#[derive(Default)]
pub(crate) struct Store {
    current: ArcSwapOption<Snapshot>,
    // The generation in force; those who watch are woken by it.
    changed: watch::Sender<u64>,
    basis: OnceLock<Arc<Basis>>,
    pub(crate) owners: Owners,
    pub(crate) history: History,
    pub(crate) requests: Requests,
    pub(crate) flight: Flight,
    pub(crate) probation: Probation,
    /// What the last attempt to read the sources has touched.
    touched: Mutex<Touched>,
    /// What the files held then.
    attempted: Mutex<Fingerprint>,
    refused: Mutex<Option<Arc<ConfigError>>>,
}

/// What a configuration is made from.
pub(crate) struct Basis {
    pub(crate) sources: Sources,
    /// By name, each once.
    pub(crate) sections: Vec<Section>,
}

impl Basis {
    pub(crate) fn sections(&self) -> Vec<&Section> {
        self.sections.iter().collect()
    }
}

impl Store {
    #[inline]
    pub(crate) fn load(&self) -> Option<LoadedSnapshot> {
        let guard = self.current.load();
        guard.is_some().then(|| LoadedSnapshot(guard))
    }

    /// The snapshot in force, as it comes.
    #[inline]
    pub(crate) fn guard(&self) -> SnapshotGuard {
        self.current.load()
    }

    /// The snapshot in force, to keep; `None` if there is none with values.
    pub(crate) fn in_force(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full().filter(|snapshot| snapshot.has_values())
    }

    /// The number of the configuration that comes next.
    pub(crate) fn next_generation(&self) -> u64 {
        self.load().map_or(1, |snapshot| snapshot.report().generation() + 1)
    }

    /// Puts `snapshot` into force, in one step.
    pub(crate) fn commit(&self, snapshot: Snapshot) {
        let generation = snapshot.report().generation();
        self.current.store(Some(Arc::new(snapshot)));
        self.changed.send_if_modified(|last| std::mem::replace(last, generation) != generation);
    }

    /// Tells when another generation has come into force.
    pub(crate) fn generations(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Says what the configuration is made from, so that it can be made again; the first counts.
    pub(crate) fn settle(&self, basis: Basis) {
        let _ = self.basis.set(Arc::new(basis));
    }

    /// Every file that a configuration is read from, or would be if it were there.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let (Some(basis), Some(snapshot)) = (self.basis(), self.in_force()) else {
            return Vec::new();
        };
        let mut paths = basis.sources.paths(snapshot.report().profile());
        paths.extend(snapshot.references().map(PathBuf::from));
        // What is included is not known before it is read; and what could not be read may have
        // been mended in the file that it includes.
        paths.extend(snapshot.touched().paths());
        paths.extend(lock(&self.touched).paths());
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Whether the configuration in force was read from files that hold what these hold. Whatever
    /// it took from files that values refer to is not known; then nothing is promised.
    pub(crate) fn was_read_from(&self, files: &Fingerprint) -> bool {
        self.in_force().is_some_and(|snapshot| {
            snapshot.references().next().is_none() && snapshot.touched().read == *files
        })
    }

    /// Notes what the files held when the sources were read, and where those have led.
    pub(crate) fn attempted(&self, held: Fingerprint, touched: Touched) {
        *lock(&self.attempted) = held;
        *lock(&self.touched) = touched;
    }

    /// Whether the last attempt to reload has read what these files hold, whatever came of it.
    pub(crate) fn has_attempted(&self, files: &Fingerprint) -> bool {
        *lock(&self.attempted) == *files
    }

    /// Notes why the application does not start.
    pub(crate) fn refuse(&self, error: ConfigError) {
        *lock(&self.refused) = Some(Arc::new(error));
    }

    /// Why the application does not start.
    pub(crate) fn refused(&self) -> Option<Arc<ConfigError>> {
        lock(&self.refused).clone()
    }

    pub(crate) fn basis(&self) -> Option<&Arc<Basis>> {
        self.basis.get()
    }
}

/// The snapshot in force, if there is one, while somebody looks at it.
pub(crate) type SnapshotGuard = Guard<Option<Arc<Snapshot>>>;

/// A snapshot that is there.
pub(crate) struct LoadedSnapshot(SnapshotGuard);

impl Deref for LoadedSnapshot {
    type Target = Snapshot;

    #[inline]
    fn deref(&self) -> &Snapshot {
        self.0.as_deref().expect("only a guard that holds a snapshot is wrapped")
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("filled", &self.current.load().is_some()).finish()
    }
}

/// Locks, whatever became of whoever held it before: each change under these locks is one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
