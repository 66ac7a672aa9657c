use std::{
    collections::VecDeque,
    fmt, io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use framework_core::PanicError;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::Instant,
};

use super::{
    AbandonedJob, JobError,
    job::{Job, Ticket},
    stats::{PoolStats, Recorder},
};

/// The jobs that wait, and the threads that take them.
pub(super) struct Queue {
    state: Mutex<State>,
    // Threads wait for jobs.
    handed_in: Condvar,
    // Callers wait for places.
    places: Arc<Semaphore>,
    // Whoever drains waits for the end of the last job.
    emptied: Notify,
    workers: NonZeroUsize,
    counts: Counts,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    running: Vec<Running>,
    idle: usize,
    overdue: usize,
    started: usize,
    closed: bool,
}

#[derive(Default)]
struct Counts {
    done: AtomicU64,
    panicked: AtomicU64,
    timed_out: AtomicU64,
    skipped: AtomicU64,
    rejected: AtomicU64,
    wait: Recorder,
    run: Recorder,
}

struct Running {
    ticket: Arc<Ticket>,
    // Another thread has taken the place of the one that runs it.
    replaced: bool,
}

/// Runs a job, and says whether it panicked before its caller hears of it.
type Work = Box<dyn FnOnce(&Job, &dyn Fn(bool)) + Send>;

/// A job that waits.
pub(super) struct Entry {
    ticket: Arc<Ticket>,
    // Given back when the job begins.
    place: OwnedSemaphorePermit,
    work: Work,
}

/// Whether a job may wait.
pub(super) enum Admission {
    Place(OwnedSemaphorePermit),
    Full,
    Closed,
}

impl Entry {
    pub(super) fn new(
        ticket: Arc<Ticket>,
        place: OwnedSemaphorePermit,
        work: impl FnOnce(&Job, &dyn Fn(bool)) + Send + 'static,
    ) -> Self {
        Self { ticket, place, work: Box::new(work) }
    }
}

/// Runs a job; a panic is an error.
pub(super) fn caught<T>(job: impl FnOnce() -> T) -> Result<T, PanicError> {
    catch_unwind(AssertUnwindSafe(job)).map_err(|payload| PanicError::new(payload.as_ref()))
}

// ===== impl Queue =====

impl Queue {
    pub(super) fn start(workers: NonZeroUsize, capacity: usize) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self {
            state: Mutex::default(),
            handed_in: Condvar::new(),
            places: Arc::new(Semaphore::new(capacity.clamp(1, Semaphore::MAX_PERMITS))),
            emptied: Notify::new(),
            workers,
            counts: Counts::default(),
        });
        for _ in 0..workers.get() {
            if let Err(error) = queue.start_worker(&mut queue.lock()) {
                queue.close();
                return Err(error);
            }
        }
        Ok(queue)
    }

    pub(super) fn workers(&self) -> NonZeroUsize {
        self.workers
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_worker(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let queue = Arc::clone(self);
        let name = format!("worker-{}", state.started);
        thread::Builder::new().name(name).spawn(move || queue.work())?;
        state.started += 1;
        Ok(())
    }

    // ----- callers -----

    pub(super) fn try_place(&self) -> Admission {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Admission::Place(place),
            Err(TryAcquireError::NoPermits) => Admission::Full,
            Err(TryAcquireError::Closed) => Admission::Closed,
        }
    }

    pub(super) async fn wait_for_place(&self) -> Admission {
        match Arc::clone(&self.places).acquire_owned().await {
            Ok(place) => Admission::Place(place),
            Err(_) => Admission::Closed,
        }
    }

    /// Hands a job in; `false` if the pool is closed.
    pub(super) fn push(self: &Arc<Self>, entry: Entry) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.waiting.push_back(entry);
        if state.idle > 0 {
            drop(state);
            self.handed_in.notify_one();
        } else {
            self.replace(&mut state, Instant::now());
        }
        true
    }

    /// Runs a job on the thread of its caller.
    pub(super) fn run_here<T>(
        &self,
        ticket: &Arc<Ticket>,
        job: impl FnOnce(&Job) -> T,
    ) -> Result<T, JobError> {
        let began = Instant::now();
        let result = caught(|| job(&Job::of(ticket)));
        self.counts.ran(began, result.is_err());
        result.map_err(|source| JobError::Panicked { name: ticket.name, source })
    }

    pub(super) fn rejected(&self) -> JobError {
        self.counts.rejected.fetch_add(1, Relaxed);
        JobError::Rejected { waiting: self.lock().waiting.len() }
    }

    pub(super) fn count_timeout(&self, error: JobError) -> JobError {
        self.counts.timed_out.fetch_add(1, Relaxed);
        error
    }

    /// Replaces threads that do not come back from jobs whose deadlines have passed.
    pub(super) fn replace_overdue(self: &Arc<Self>, now: Instant) {
        self.replace(&mut self.lock(), now);
    }

    fn replace(self: &Arc<Self>, state: &mut State, now: Instant) {
        if state.closed {
            return;
        }
        for at in 0..state.running.len() {
            // As many again, and no more: jobs that never end must not become threads without end.
            if state.overdue >= self.workers.get() {
                return;
            }
            let running = &state.running[at];
            if running.replaced || running.ticket.deadline > now {
                continue;
            }
            let name = running.ticket.name;
            if let Err(error) = self.start_worker(state) {
                tracing::error!(job = name, %error, "a worker that hangs cannot be replaced");
                return;
            }
            tracing::warn!(job = name, "a worker does not come back from its job and is replaced");
            state.running[at].replaced = true;
            state.overdue += 1;
        }
    }

    // ----- threads -----

    fn work(&self) {
        while let Some((ticket, work)) = self.next() {
            let began = Instant::now();
            if ticket.is_over(began) {
                self.counts.skipped.fetch_add(1, Relaxed);
            } else {
                self.counts.wait.add(began - ticket.handed_in);
                work(&Job::of(&ticket), &|panicked| self.counts.ran(began, panicked));
            }
            if self.finished(&ticket) {
                return;
            }
        }
    }

    /// Waits for a job; `None` once the pool is closed and nothing waits.
    fn next(&self) -> Option<(Arc<Ticket>, Work)> {
        let mut state = self.lock();
        loop {
            if let Some(Entry { ticket, place, work }) = state.waiting.pop_front() {
                drop(place);
                state.running.push(Running { ticket: Arc::clone(&ticket), replaced: false });
                return Some((ticket, work));
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.handed_in.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Notes the end of a job; `true` if the thread is one too many.
    fn finished(&self, ticket: &Arc<Ticket>) -> bool {
        let mut state = self.lock();
        let at = state.running.iter().position(|it| Arc::ptr_eq(&it.ticket, ticket));
        let replaced = at.is_some_and(|at| state.running.swap_remove(at).replaced);
        if replaced {
            state.overdue -= 1;
        }
        if state.waiting.is_empty() && state.running.is_empty() {
            self.emptied.notify_waiters();
        }
        replaced
    }

    // ----- the end -----

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.places.close();
        self.handed_in.notify_all();
    }

    /// Waits until no job waits or runs.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Before looking, or the end of the last job could be missed.
            emptied.as_mut().enable();
            let empty = {
                let state = self.lock();
                state.waiting.is_empty() && state.running.is_empty()
            };
            if empty {
                return;
            }
            emptied.await;
        }
    }

    /// Gives up what there is.
    pub(super) fn abandon(&self, now: Instant) -> Vec<AbandonedJob> {
        let (waiting, mut abandoned) = {
            let mut state = self.lock();
            let running = state.running.iter().map(|it| {
                it.ticket.cancel();
                it.ticket.abandoned(now, true)
            });
            let running: Vec<_> = running.collect();
            (std::mem::take(&mut state.waiting), running)
        };
        // Their callers hear of it when they are dropped, which is not to happen under the lock.
        abandoned.extend(waiting.iter().map(|entry| entry.ticket.abandoned(now, false)));
        abandoned
    }

    pub(super) fn stats(&self) -> PoolStats {
        let state = self.lock();
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        PoolStats {
            workers: self.workers.get(),
            overdue: state.overdue,
            waiting: state.waiting.len(),
            running: state.running.len(),
            done: count(&self.counts.done),
            panicked: count(&self.counts.panicked),
            timed_out: count(&self.counts.timed_out),
            skipped: count(&self.counts.skipped),
            rejected: count(&self.counts.rejected),
            wait: self.counts.wait.spread(),
            run: self.counts.run.spread(),
        }
    }
}

impl Counts {
    fn ran(&self, began: Instant, panicked: bool) {
        self.run.add(began.elapsed());
        let outcome = if panicked { &self.panicked } else { &self.done };
        outcome.fetch_add(1, Relaxed);
    }
}

impl Ticket {
    fn abandoned(&self, now: Instant, running: bool) -> AbandonedJob {
        let age = now.saturating_duration_since(self.handed_in);
        AbandonedJob { name: self.name, age, running }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
