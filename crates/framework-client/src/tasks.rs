use std::future::Future;

use hyper::rt::Executor;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// Runs the connections of a client in tasks that end with the client.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionTasks {
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl ConnectionTasks {
    /// The executor, and the guard that ends its tasks when it is dropped.
    pub(crate) fn new() -> (Self, DropGuard) {
        let cancel = CancellationToken::new();
        let guard = cancel.clone().drop_guard();
        (Self { tasks: TaskTracker::new(), cancel }, guard)
    }
}

impl<F> Executor<F> for ConnectionTasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, connection: F) {
        let cancelled = self.cancel.clone().cancelled_owned();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = cancelled => {}
                _ = connection => {}
            }
        });
    }
}
