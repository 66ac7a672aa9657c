use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::ReloadRecord;

/// Lets one reload run at a time, and has one more serve all that were asked for meanwhile: what
/// they want to know is what the sources said after they had asked.
#[derive(Default)]
pub(crate) struct Flight {
    asked: AtomicU64,
    // Held while a reload runs, on purpose: the next one waits for its end.
    turn: Arc<Mutex<Turn>>,
}

/// The right to be the only reload that runs, until it is dropped.
#[derive(Debug)]
pub(crate) struct Alone(#[expect(dead_code, reason = "held, not read")] OwnedMutexGuard<Turn>);

#[derive(Debug, Default)]
struct Turn {
    served: u64,
    record: Option<Arc<ReloadRecord>>,
}

impl Flight {
    /// Runs `reload`, unless one that began after this call was made has ended meanwhile.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped, so is the reload; whoever else waits runs one of its own.
    pub(crate) async fn board<F>(&self, reload: impl FnOnce() -> F) -> Arc<ReloadRecord>
    where
        F: Future<Output = Arc<ReloadRecord>>,
    {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut turn = self.turn.lock().await;
        if let Some(record) = turn.record.as_ref().filter(|_| turn.served >= ticket) {
            return Arc::clone(record);
        }
        let serves = self.asked.load(Ordering::SeqCst);
        let record = reload().await;
        *turn = Turn { served: serves, record: Some(Arc::clone(&record)) };
        record
    }

    /// Waits until no reload runs, and lets none begin.
    pub(crate) async fn wait(&self) -> Alone {
        Alone(Arc::clone(&self.turn).lock_owned().await)
    }

    /// Runs `work` while no reload runs.
    pub(crate) async fn alone<T>(&self, work: impl Future<Output = T>) -> T {
        let _turn = self.turn.lock().await;
        work.await
    }
}
