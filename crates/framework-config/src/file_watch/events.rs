use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// Where events about files come from.
pub(crate) trait FileEvents: Send + Sync {
    /// Calls `on_event` when something happens in `directories`, and forgets what was watched
    /// before. Returns those that cannot be watched.
    fn watch(
        &mut self,
        directories: &BTreeSet<PathBuf>,
        on_event: Arc<dyn Fn() + Send + Sync>,
    ) -> BTreeSet<PathBuf>;
}

/// The events of the operating system.
///
/// Directories are watched and not files: a file that is renamed over another, and the link that
/// Kubernetes swaps, are new things with the old name, and only their directory tells.
#[derive(Default)]
pub(crate) struct SystemEvents {
    watcher: Option<RecommendedWatcher>,
}

impl FileEvents for SystemEvents {
    fn watch(
        &mut self,
        directories: &BTreeSet<PathBuf>,
        on_event: Arc<dyn Fn() + Send + Sync>,
    ) -> BTreeSet<PathBuf> {
        // The old one first: watches are scarce.
        self.watcher = None;
        let tell = move |event: notify::Result<Event>| {
            if event.is_err() || event.is_ok_and(|event| changes_something(&event)) {
                on_event();
            }
        };
        let Ok(mut watcher) = notify::recommended_watcher(tell) else { return directories.clone() };
        let mut fails = |path: &Path| watcher.watch(path, RecursiveMode::NonRecursive).is_err();
        let unwatched = directories.iter().filter(|path| fails(path)).cloned().collect();
        self.watcher = Some(watcher);
        unwatched
    }
}

/// Reading is an event too: it must not lead to more of it.
fn changes_something(event: &Event) -> bool {
    !event.kind.is_access()
}

impl fmt::Debug for SystemEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemEvents").field("watching", &self.watcher.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};

    use super::*;

    #[test]
    fn reading_a_file_is_no_change_of_it() {
        let read = Event::new(EventKind::Access(AccessKind::Close(AccessMode::Read)));
        let renamed = Event::new(EventKind::Modify(ModifyKind::Name(RenameMode::To)));
        assert_eq!((changes_something(&read), changes_something(&renamed)), (false, true));
    }
}
