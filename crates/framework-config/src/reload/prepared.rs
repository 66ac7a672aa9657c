use std::{fmt, path::Path, sync::Arc};

use super::{
    ConfigChange, ReloadOutcome, ReloadRecord, ReloadTrigger,
    flight::Alone,
    transaction::{Findings, Staged, commit_reload, prepare_reload},
};
use crate::store::Store;

/// A reload that everybody has agreed to, and that is not in force: got from
/// [`ConfigHandle::prepare_reload`](crate::ConfigHandle::prepare_reload).
///
/// Dropping it gives it up: the old configuration stays in force, and what was prepared is dropped.
#[must_use = "dropping it gives the reload up"]
pub struct PreparedReload {
    store: Arc<Store>,
    staged: Staged,
    findings: Findings,
    // Dropped last, when everything else is.
    _alone: Alone,
}

impl PreparedReload {
    pub(crate) async fn prepare(
        store: &Arc<Store>,
        trigger: ReloadTrigger,
        alone: Alone,
    ) -> Result<Self, Arc<ReloadRecord>> {
        let (staged, findings) = prepare_reload(store, trigger).await?;
        Ok(Self { store: Arc::clone(store), staged, findings, _alone: alone })
    }

    /// What becomes of it if it is committed: [`Acceptable`](ReloadOutcome::Acceptable),
    /// [`Unchanged`](ReloadOutcome::Unchanged) or [`Pending`](ReloadOutcome::Pending).
    #[must_use]
    pub fn outlook(&self) -> ReloadOutcome {
        self.staged.outlook()
    }

    /// What differs from the configuration in force.
    #[must_use]
    pub fn changes(&self) -> &[ConfigChange] {
        self.findings.changes()
    }

    /// Every file that the new configuration was read from or would be if it were there, each with
    /// a number for what it held; `None` for one that was not there. Two processes of one program
    /// have read the same if their numbers are the same.
    pub fn files(&self) -> impl Iterator<Item = (&Path, Option<u64>)> {
        self.staged.files().iter().map(|(path, hash)| (path.as_path(), *hash))
    }

    /// Puts it into force, which cannot fail.
    #[expect(clippy::must_use_candidate, reason = "the record is in the history too")]
    pub fn commit(self) -> Arc<ReloadRecord> {
        let Self { store, staged, findings, _alone } = self;
        commit_reload(&store, staged, findings)
    }
}

impl fmt::Debug for PreparedReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedReload").field("changes", &self.changes()).finish_non_exhaustive()
    }
}
