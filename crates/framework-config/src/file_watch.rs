//! When the files of a configuration change.

mod events;
mod fingerprint;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::Notify,
    task,
    time::{Instant, Interval, MissedTickBehavior, interval_at, timeout_at},
};

pub(crate) use self::{
    events::{FileEvents, SystemEvents},
    fingerprint::{Fingerprint, hash_of},
};
use crate::store::Store;

/// How long nothing may happen before files count as written.
const QUIET: Duration = Duration::from_millis(100);

/// How long to wait at most for that.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for changes of the files that a configuration was read from, or could be.
///
/// Events about their directories are quick. They are not all there is: network file systems send
/// none, the kernel may have no more watches, and a directory may go and come back. So the files
/// are also looked at now and then, and only what they hold decides.
pub(crate) struct FileWatch {
    store: Arc<Store>,
    system: Box<dyn FileEvents>,
    happened: Arc<Notify>,
    /// When the events began that were not told yet.
    since: Option<Instant>,
    look: Interval,
    seen: Fingerprint,
    unwatched: BTreeSet<PathBuf>,
}

impl FileWatch {
    /// Starts to watch: changes after this has completed are told. Looks at the files every `interval`.
    pub(crate) async fn start(
        store: Arc<Store>,
        system: Box<dyn FileEvents>,
        interval: Duration,
    ) -> Self {
        let mut look = interval_at(Instant::now() + interval, interval);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Self {
            store,
            system,
            happened: Arc::default(),
            since: None,
            look,
            seen: Fingerprint::default(),
            unwatched: BTreeSet::new(),
        };
        watch.arm();
        watch.seen = watch.fingerprint().await;
        watch
    }

    /// What the files hold, as far as is known.
    pub(crate) fn seen(&self) -> &Fingerprint {
        &self.seen
    }

    /// Completes when some file holds something else than before.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what was not told is told by the next call.
    pub(crate) async fn changed(&mut self) {
        loop {
            tokio::select! {
                () = settled(&self.happened, &mut self.since) => self.arm(),
                _ = self.look.tick() => {
                    if !self.unwatched.is_empty() {
                        self.arm();
                    }
                }
            }
            // Watched again before they are read: a change in between is another event.
            let now = self.fingerprint().await;
            self.since = None;
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// Watches the directories as they are now; one that was replaced is another.
    fn arm(&mut self) {
        let directories: BTreeSet<_> =
            self.store.paths().iter().map(|path| directory(path)).collect();
        let happened = Arc::clone(&self.happened);
        let on_event = Arc::new(move || happened.notify_one());
        let unwatched = self.system.watch(&directories, on_event);
        if !unwatched.is_empty() && self.unwatched.is_empty() {
            let directories: Vec<_> = unwatched.iter().map(|path| path.display()).collect();
            tracing::debug!(?directories, "there are no events about files here: looking at them");
        }
        self.unwatched = unwatched;
    }

    async fn fingerprint(&self) -> Fingerprint {
        let paths = self.store.paths();
        let taken =
            task::spawn_blocking(move || Fingerprint::take(paths.iter().map(PathBuf::as_path)))
                .await;
        // It can only fail when the process ends.
        taken.unwrap_or_default()
    }
}

/// Completes when something has happened, and nothing more for a while.
async fn settled(happened: &Notify, since: &mut Option<Instant>) {
    if since.is_none() {
        happened.notified().await;
    }
    let end = *since.get_or_insert_with(Instant::now) + PATIENCE;
    while Instant::now() < end {
        let quiet = (Instant::now() + QUIET).min(end);
        if timeout_at(quiet, happened.notified()).await.is_err() {
            return;
        }
    }
}

fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests;
