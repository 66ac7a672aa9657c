use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use framework_core::PanicError;
use tokio::time::Instant;

use super::{
    JobError,
    queue::{Source, Taken},
};

/// What a job can know of itself while it runs.
#[derive(Debug)]
pub struct Job {
    pub(super) ticket: Arc<Ticket>,
}

/// Nobody waits for the job any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody waits for this job any more")]
#[non_exhaustive]
pub struct Cancelled;

/// A job from the moment it was handed in, as its caller and its thread know it.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) name: &'static str,
    pub(super) handed_in: Instant,
    pub(super) deadline: Instant,
    cancelled: AtomicBool,
}

/// Runs a job, says whether it panicked before its caller hears of it, and gives whom to tell.
pub(super) type Work = Box<dyn FnOnce(&Job, &dyn Fn(bool)) -> Option<Waker> + Send>;

/// Where the results of jobs go.
pub(super) trait Results: Send + Sync + 'static {
    /// What a job makes.
    type Result: Send;

    /// Keeps the result of a job, and gives whom to tell.
    fn settle(&self, number: usize, result: Result<Self::Result, JobError>) -> Option<Waker>;
}

/// The result of a job that a thread has taken.
struct Owed<R: Results> {
    results: Option<Arc<R>>,
    number: usize,
    name: &'static str,
}

/// A job that is handed in alone, and then its result.
pub(super) struct Single<T, F> {
    ticket: Arc<Ticket>,
    state: Mutex<State<T, F>>,
}

struct State<T, F> {
    work: Option<F>,
    result: Option<Result<T, JobError>>,
    caller: Option<Waker>,
}

/// What a thread does for a job: its result is settled whatever becomes of it.
pub(super) fn work_of<R: Results>(
    results: Arc<R>,
    number: usize,
    name: &'static str,
    job: impl FnOnce(&R, &Job) -> R::Result + Send + 'static,
) -> Work {
    let mut owed = Owed { results: Some(results), number, name };
    Box::new(move |context, count| {
        let results = owed.results.as_deref()?;
        let result = caught(|| job(results, context));
        count(result.is_err());
        owed.settle(result.map_err(|source| JobError::Panicked { name, source }))
    })
}

/// Runs a job; a panic is an error.
pub(super) fn caught<T>(job: impl FnOnce() -> T) -> Result<T, PanicError> {
    catch_unwind(AssertUnwindSafe(job)).map_err(|payload| PanicError::new(payload.as_ref()))
}

// ===== impl Job =====

impl Job {
    pub(super) fn of(ticket: Arc<Ticket>) -> Self {
        Self { ticket }
    }

    /// Whether nobody waits for the result: the deadline has passed, the caller has gone, or the
    /// pool closes. What takes long should look now and then.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ticket.is_over(Instant::now())
    }

    /// As [`is_cancelled`](Self::is_cancelled), to be used with `?`.
    ///
    /// # Errors
    ///
    /// When nobody waits for the result.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    /// How much time is left.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.ticket.deadline.saturating_duration_since(Instant::now())
    }
}

// ===== impl Ticket =====

impl Ticket {
    pub(super) fn new(name: &'static str, handed_in: Instant, deadline: Instant) -> Arc<Self> {
        Arc::new(Self { name, handed_in, deadline, cancelled: AtomicBool::new(false) })
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.cancelled.load(Relaxed) || self.deadline <= now
    }
}

// ===== impl Owed =====

impl<R: Results> Owed<R> {
    fn settle(&mut self, result: Result<R::Result, JobError>) -> Option<Waker> {
        self.results.take()?.settle(self.number, result)
    }
}

impl<R: Results> Drop for Owed<R> {
    // A job that was given up is not begun.
    fn drop(&mut self) {
        if let Some(caller) = self.settle(Err(JobError::Abandoned { name: self.name })) {
            caller.wake();
        }
    }
}

// ===== impl Single =====

impl<T, F> Single<T, F> {
    pub(super) fn new(ticket: Arc<Ticket>, work: F) -> Arc<Self> {
        let state = State { work: Some(work), result: None, caller: None };
        Arc::new(Self { ticket, state: Mutex::new(state) })
    }

    // No code of others runs while it is held.
    fn lock(&self) -> MutexGuard<'_, State<T, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<T, JobError>> {
        let mut state = self.lock();
        if let Some(result) = state.result.take() {
            return Poll::Ready(result);
        }
        state.caller = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T, F> Results for Single<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Job) -> T + Send + 'static,
{
    type Result = T;

    fn settle(&self, _: usize, result: Result<T, JobError>) -> Option<Waker> {
        let mut state = self.lock();
        state.result = Some(result);
        state.caller.take()
    }
}

impl<T, F> Source for Single<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Job) -> T + Send + 'static,
{
    fn take(self: Arc<Self>) -> Option<Taken> {
        let work = self.lock().work.take()?;
        let ticket = Arc::clone(&self.ticket);
        let work = work_of(self, 0, ticket.name, move |_, job| work(job));
        Some(Taken { ticket, work, more: false })
    }

    fn waiting(&self) -> usize {
        usize::from(self.lock().work.is_some())
    }

    fn abandon(&self) -> Vec<Arc<Ticket>> {
        let Some(work) = self.lock().work.take() else { return Vec::new() };
        drop(work);
        if let Some(caller) = self.settle(0, Err(JobError::Abandoned { name: self.ticket.name })) {
            caller.wake();
        }
        vec![Arc::clone(&self.ticket)]
    }
}
