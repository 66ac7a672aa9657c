use std::{
    collections::VecDeque,
    fmt, io,
    num::NonZeroUsize,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
    thread,
};

use framework_core::{Shard, Sharded};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::Instant,
};

use super::{
    AbandonedJob, JobError,
    job::{Job, Ticket, Work, caught},
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
    worker: usize,
    ticket: Arc<Ticket>,
    // Another thread has taken the place of the one that runs it.
    replaced: bool,
}

/// What waits for a thread.
struct Waiting {
    source: Arc<dyn Source>,
    // Given back when its job begins; a batch has none.
    place: Option<OwnedSemaphorePermit>,
}

/// Jobs that were handed in together, or one alone.
pub(super) trait Source: Send + Sync {
    /// Takes the next one; `None` if there is none any more.
    fn take(self: Arc<Self>) -> Option<Taken>;

    /// How many wait.
    fn waiting(&self) -> usize;

    /// Gives up those that wait, and tells whoever waits for them.
    fn abandon(&self) -> Vec<Arc<Ticket>>;
}

/// A job that is about to begin.
pub(super) struct Taken {
    pub(super) ticket: Arc<Ticket>,
    pub(super) work: Work,
    /// Whether there are others.
    pub(super) more: bool,
}

/// A job that has ended, and whom to tell of it.
///
/// The thread first lets go of what its caller has made, so that the caller is the one who frees it.
/// With an allocator that keeps what a thread frees for that thread, memory that is freed by another
/// one than it came from wanders from thread to thread, until threads wait for each other whenever
/// they allocate.
struct Ended {
    job: Job,
    caller: Option<Waker>,
}

/// Whether a job may wait.
pub(super) enum Admission {
    Place(OwnedSemaphorePermit),
    Full,
    Closed,
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
        let worker = state.started;
        thread::Builder::new()
            .name(format!("worker-{worker}"))
            .spawn(move || queue.work(worker))?;
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

    /// Hands in jobs; `false` if the pool is closed.
    pub(super) fn push(
        self: &Arc<Self>,
        source: Arc<dyn Source>,
        place: Option<OwnedSemaphorePermit>,
    ) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.waiting.push_back(Waiting { source, place });
        if state.idle > 0 {
            drop(state);
            self.handed_in.notify_one();
        } else {
            self.replace(&mut state, Instant::now());
        }
        true
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
        let result = caught(|| job(&Job::of(Arc::clone(ticket))));
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

    fn work(&self, worker: usize) {
        let mut ended = None;
        while let Some((ticket, work)) = self.next(worker, ended.take()) {
            let job = Job::of(ticket);
            let began = Instant::now();
            let caller = if job.ticket.is_over(began) {
                self.counts().skipped.fetch_add(1, Relaxed);
                None
            } else {
                self.counts().wait.add(began - job.ticket.handed_in);
                work(&job, &|panicked| self.counts().ran(began, panicked))
            };
            ended = Some(Ended { job, caller });
        }
    }

    /// Notes the end of a job and waits for the next one; `None` once the pool is closed and nothing
    /// waits, or where the thread is one too many.
    fn next(&self, worker: usize, mut ended: Option<Ended>) -> Option<(Arc<Ticket>, Work)> {
        let mut state = self.lock();
        if ended.is_some() && self.finished(&mut state, worker) {
            drop(state);
            ended.into_iter().for_each(Ended::tell);
            return None;
        }
        loop {
            while let Some(waiting) = state.waiting.pop_front() {
                let Some(taken) = Arc::clone(&waiting.source).take() else {
                    // With it goes what is others'.
                    drop(state);
                    drop(waiting);
                    state = self.lock();
                    continue;
                };
                let Taken { ticket, work, more } = taken;
                state.running.push(Running {
                    worker,
                    ticket: Arc::clone(&ticket),
                    replaced: false,
                });
                let Waiting { source, place } = waiting;
                // Whoever sees that the job runs finds its place.
                drop(place);
                let mut over = Some(source);
                if more {
                    let again = over.take().map(|source| Waiting { source, place: None });
                    state.waiting.extend(again);
                    if state.idle > 0 {
                        self.handed_in.notify_one();
                    }
                }
                drop(state);
                drop(over);
                ended.into_iter().for_each(Ended::tell);
                return Some((ticket, work));
            }
            if let Some(ended) = ended.take() {
                drop(state);
                ended.tell();
                state = self.lock();
                continue;
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

    /// Notes the end of a job; `true` if the thread is one too many.
    fn finished(&self, state: &mut State, worker: usize) -> bool {
        let at = state.running.iter().position(|it| it.worker == worker);
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
        // Their callers are told of it, which is not to happen under the lock.
        for waiting in waiting {
            let tickets = waiting.source.abandon();
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
        self.waiting.iter().map(|waiting| waiting.source.waiting()).sum()
    }
}

impl Ended {
    fn tell(self) {
        let Self { job, caller } = self;
        drop(job);
        if let Some(caller) = caller {
            caller.wake();
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
