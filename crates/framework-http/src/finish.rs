//! When a request was finished: read from the clock by the stack, and taken over by the server,
//! which asks the same a moment later.

use std::cell::Cell;

use tokio::time::Instant;

thread_local! {
    static FINISHED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What the time is, now that a request is finished.
pub(crate) fn now() -> Instant {
    let now = Instant::now();
    FINISHED.set(Some(now));
    now
}

/// When a request was finished since [`forget`] was called on this thread.
pub(crate) fn take() -> Option<Instant> {
    FINISHED.take()
}

/// Nothing that was finished before is taken for what is being polled now.
pub(crate) fn forget() {
    FINISHED.set(None);
}
