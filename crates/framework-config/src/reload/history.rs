use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex},
};

use framework_core::Chain;

use super::{ReloadOutcome, ReloadRecord};
use crate::store::lock;

/// How many records are kept.
const KEPT: usize = 20;

type Observer = Arc<dyn Fn(&ReloadRecord) + Send + Sync>;

/// The last reloads, and whoever wants to know of the next.
#[derive(Default)]
pub(crate) struct History {
    records: Mutex<VecDeque<Arc<ReloadRecord>>>,
    observers: Mutex<Vec<Observer>>,
}

impl History {
    /// The last reloads that changed something or were rejected, oldest first.
    pub(crate) fn records(&self) -> Vec<Arc<ReloadRecord>> {
        lock(&self.records).iter().cloned().collect()
    }

    pub(crate) fn observe(&self, observer: Observer) {
        lock(&self.observers).push(observer);
    }

    /// Logs `record`, and [keeps](Self::keep) it.
    pub(crate) fn add(&self, record: &Arc<ReloadRecord>) {
        log(record);
        self.keep(record);
    }

    /// Notes `record`, and tells whoever wants to know.
    pub(crate) fn keep(&self, record: &Arc<ReloadRecord>) {
        // A watcher that looks often must not push out what happened.
        if !matches!(record.outcome, ReloadOutcome::Unchanged) {
            let mut records = lock(&self.records);
            if records.len() == KEPT {
                records.pop_front();
            }
            records.push_back(Arc::clone(record));
        }
        let observers = lock(&self.observers).clone();
        for observer in observers {
            // The panic hook has told; a reload must not fail for those who look on.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| observer(record)));
        }
    }
}

fn log(record: &ReloadRecord) {
    let (trigger, generation) = (record.trigger, record.generation);
    match &record.outcome {
        ReloadOutcome::Applied => {
            let changes: Vec<_> = record.changes.iter().map(ToString::to_string).collect();
            let changes = changes.join(", ");
            tracing::info!(%trigger, generation, changes, "another configuration is in force");
        }
        ReloadOutcome::Unchanged => {
            tracing::info!(%trigger, generation, "the configuration is what it was");
        }
        ReloadOutcome::Acceptable => {}
        ReloadOutcome::Pending => {
            tracing::warn!(%trigger, generation, "all that changed waits for the next start");
        }
        ReloadOutcome::RolledBack { cause } => {
            tracing::error!(generation, cause, "the configuration before is in force again");
        }
        ReloadOutcome::Rejected(error) => {
            let error = Chain(error).to_string();
            tracing::error!(%trigger, generation, error, "the old configuration stays in force");
        }
    }
    if !record.pending.is_empty() && !matches!(record.outcome, ReloadOutcome::Unchanged) {
        let keys: Vec<_> = record.pending.iter().map(|change| change.key.as_str()).collect();
        let keys = keys.join(", ");
        tracing::warn!(generation, keys, "waiting for the next start of the application");
    }
    for late in &record.late {
        tracing::error!(generation, "after the configuration had changed: {late}");
    }
}
