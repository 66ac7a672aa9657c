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

use framework_core::{PanicError, Shard, Sharded};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::Instant,
};

use super::{
    AbandonedJob, JobError,
    job::{Job, Ticket},
    stats::{PoolStats, Recorder, Spread},
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
    counts: Sharded<Counts>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
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

/// What waits for a thread.
enum Waiting {
    Job(Entry),
    // Gives one of its jobs at a time, and waits again.
    Batch(Arc<dyn Source>),
}

/// Jobs that are handed in together.
pub(super) trait Source: Send + Sync {
    /// Takes the next one; `None` if there is none any more.
    fn take(self: Arc<Self>) -> Option<Taken>;

    /// How many wait.
    fn waiting(&self) -> usize;

    /// Gives up those that wait, and tells whoever waits for them.
    fn abandon(&self) -> Vec<Arc<Ticket>>;
}

/// A job of a batch.
pub(super) struct Taken {
    pub(super) ticket: Arc<Ticket>,
    pub(super) work: Work,
    /// Whether there are others.
    pub(super) more: bool,
}

/// Runs a job, and says whether it panicked before its caller hears of it.
pub(super) type Work = Box<dyn FnOnce(&Job, &dyn Fn(bool)) + Send>;

/// A job that waits.
pub(super) struct Entry {
    ticket: Arc<Ticket>,
    // Given back when the job begins.
    _place: OwnedSemaphorePermit,
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
        Self { ticket, _place: place, work: Box::new(work) }
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
            counts: Sharded::default(),
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

    /// What this thread has counted: none waits for another one to count.
    fn counts(&self) -> &Counts {
        self.counts.part(Shard::of_this_thread())
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
        let state = self.lock();
        if state.closed {
            return false;
        }
        self.push_to(state, Waiting::Job(entry));
        true
    }

    /// Hands in jobs of a batch, which take no places from others. Where the pool is closed, those
    /// that wait are given up.
    pub(super) fn push_batch(self: &Arc<Self>, batch: Arc<dyn Source>) {
        let state = self.lock();
        if !state.closed {
            return self.push_to(state, Waiting::Batch(batch));
        }
        drop(state);
        batch.abandon();
    }

    fn push_to(self: &Arc<Self>, mut state: MutexGuard<'_, State>, waiting: Waiting) {
        state.waiting.push_back(waiting);
        if state.idle > 0 {
            drop(state);
            self.handed_in.notify_one();
        } else {
            self.replace(&mut state, Instant::now());
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// Runs a job on the thread of its caller.
    pub(super) fn run_here<T>(
        &self,
        ticket: &Arc<Ticket>,
        job: impl FnOnce(&Job) -> T,
    ) -> Result<T, JobError> {
        let began = Instant::now();
        let result = caught(|| job(&Job::of(ticket)));
        self.counts().ran(began, result.is_err());
        result.map_err(|source| JobError::Panicked { name: ticket.name, source })
    }

    pub(super) fn rejected(&self) -> JobError {
        self.counts().rejected.fetch_add(1, Relaxed);
        JobError::Rejected { waiting: self.lock().waiting() }
    }

    pub(super) fn count_timeout(&self, error: JobError) -> JobError {
        self.counts().timed_out.fetch_add(1, Relaxed);
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
        let mut ended = None;
        while let Some((ticket, work)) = self.next(ended.take()) {
            let began = Instant::now();
            if ticket.is_over(began) {
                self.counts().skipped.fetch_add(1, Relaxed);
            } else {
                self.counts().wait.add(began - ticket.handed_in);
                work(&Job::of(&ticket), &|panicked| self.counts().ran(began, panicked));
            }
            ended = Some(ticket);
        }
    }

    /// Notes the end of a job and waits for the next one; `None` once the pool is closed and nothing
    /// waits, or where the thread is one too many.
    fn next(&self, ended: Option<Arc<Ticket>>) -> Option<(Arc<Ticket>, Work)> {
        let mut state = self.lock();
        if ended.is_some_and(|ended| self.finished(&mut state, &ended)) {
            return None;
        }
        loop {
            while let Some(first) = state.waiting.pop_front() {
                let Some((ticket, work)) = self.begin(&mut state, first) else { continue };
                state.running.push(Running { ticket: Arc::clone(&ticket), replaced: false });
                return Some((ticket, work));
            }
            if state.closed {
                self.emptied.notify_waiters();
                return None;
            }
            state.idle += 1;
            state = self.handed_in.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn begin(&self, state: &mut State, waiting: Waiting) -> Option<(Arc<Ticket>, Work)> {
        match waiting {
            Waiting::Job(Entry { ticket, work, .. }) => Some((ticket, work)),
            Waiting::Batch(batch) => {
                let Taken { ticket, work, more } = Arc::clone(&batch).take()?;
                if more {
                    state.waiting.push_back(Waiting::Batch(batch));
                    if state.idle > 0 {
                        self.handed_in.notify_one();
                    }
                }
                Some((ticket, work))
            }
        }
    }

    /// Notes the end of a job; `true` if the thread is one too many.
    fn finished(&self, state: &mut State, ticket: &Arc<Ticket>) -> bool {
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
        for waiting in waiting {
            let tickets = match waiting {
                Waiting::Job(entry) => vec![entry.ticket],
                Waiting::Batch(batch) => batch.abandon(),
            };
            abandoned.extend(tickets.iter().map(|ticket| ticket.abandoned(now, false)));
        }
        abandoned
    }

    pub(super) fn stats(&self) -> PoolStats {
        let state = self.lock();
        let count = |counter: fn(&Counts) -> &AtomicU64| {
            self.counts.iter().map(|counts| counter(counts).load(Relaxed)).sum()
        };
        PoolStats {
            workers: self.workers.get(),
            overdue: state.overdue,
            waiting: state.waiting(),
            running: state.running.len(),
            done: count(|it| &it.done),
            panicked: count(|it| &it.panicked),
            timed_out: count(|it| &it.timed_out),
            skipped: count(|it| &it.skipped),
            rejected: count(|it| &it.rejected),
            wait: Spread::of(self.counts.iter().map(|it| &it.wait)),
            run: Spread::of(self.counts.iter().map(|it| &it.run)),
        }
    }
}

impl State {
    fn waiting(&self) -> usize {
        let jobs = |waiting: &Waiting| match waiting {
            Waiting::Job(_) => 1,
            Waiting::Batch(batch) => batch.waiting(),
        };
        self.waiting.iter().map(jobs).sum()
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
