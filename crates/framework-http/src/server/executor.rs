use std::future::Future;

use hyper::rt::Executor;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// Runs the streams of one HTTP/2 connection in tasks that end with the connection.
#[derive(Clone, Debug)]
pub(crate) struct StreamTasks {
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl StreamTasks {
    /// The executor, and the guard that ends its tasks when it is dropped.
    pub(crate) fn new(tasks: TaskTracker) -> (Self, DropGuard) {
        let cancel = CancellationToken::new();
        let guard = cancel.clone().drop_guard();
        (Self { tasks, cancel }, guard)
    }
}

impl<F> Executor<F> for StreamTasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let cancelled = self.cancel.clone().cancelled_owned();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = cancelled => {}
                _ = stream => {}
            }
        });
    }
}
