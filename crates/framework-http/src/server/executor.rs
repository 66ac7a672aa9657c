use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// Runs the streams of one HTTP/2 connection in tasks that end with the connection.
#[derive(Clone, Debug)]
pub(crate) struct StreamTasks {
    tasks: TaskTracker,
    cancel: CancellationToken,
    stall_limit: Duration,
}

pin_project! {
    /// A stream that is given up once its client has taken nothing of its response for too long:
    /// dropped before its end, it is reset with CANCEL, and the other streams go on.
    struct Watched<F> {
        #[pin]
        stream: F,
        // Since when it has been the client's turn to make room for what is ready.
        clients_turn: Option<Instant>,
        limit: Duration,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

thread_local! {
    /// That of the stream that this thread polls. The protocol hides from a body what becomes of
    /// its parts, and from the stream's task which body it sends: both meet here.
    static CLIENTS_TURN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Says since when it has been the turn of the client whose stream is being polled; `None` for as
/// long as it is not.
pub(crate) fn note_clients_turn(since: Option<Instant>) {
    CLIENTS_TURN.set(since);
}

impl StreamTasks {
    /// The executor, and the guard that ends its tasks when it is dropped.
    pub(crate) fn new(tasks: TaskTracker, stall_limit: Duration) -> (Self, DropGuard) {
        let cancel = CancellationToken::new();
        let guard = cancel.clone().drop_guard();
        (Self { tasks, cancel, stall_limit }, guard)
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let outer = CLIENTS_TURN.replace(*this.clients_turn);
        let polled = this.stream.poll(cx);
        *this.clients_turn = CLIENTS_TURN.replace(outer);
        if polled.is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = *this.clients_turn else { return Poll::Pending };
        let due = since + *this.limit;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(cx).map(|()| {
            tracing::debug!("reset a stream: its client takes no byte of the response");
        })
    }
}

impl<F> Executor<F> for StreamTasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let limit = self.stall_limit;
        let stream = Watched { stream, clients_turn: None, limit, timer: None };
        let cancelled = self.cancel.clone().cancelled_owned();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = cancelled => {}
                () = stream => {}
            }
        });
    }
}
