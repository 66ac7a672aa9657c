use std::sync::Mutex;

use tokio::sync::Notify;

use super::ReloadTrigger;
use crate::store::lock;

/// Reloads that were asked for and not begun. However many they are, one reload serves them.
#[derive(Default)]
pub(crate) struct Requests {
    pending: Mutex<Option<ReloadTrigger>>,
    asked: Notify,
}

impl Requests {
    pub(crate) fn ask(&self, trigger: ReloadTrigger) {
        lock(&self.pending).get_or_insert(trigger);
        self.asked.notify_one();
    }

    /// Has no reload follow what was asked until now.
    pub(super) fn forget(&self) {
        *lock(&self.pending) = None;
    }

    /// Completes when a reload is asked for.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a request is taken only when this completes.
    pub(crate) async fn next(&self) -> ReloadTrigger {
        loop {
            let asked = self.asked.notified();
            if let Some(trigger) = lock(&self.pending).take() {
                return trigger;
            }
            asked.await;
        }
    }
}
