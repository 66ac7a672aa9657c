//! Work for processors, on threads of its own: parsing, compressing, hashing. On the threads that
//! answer requests it would hold up every other request.

mod batch;
mod job;
mod queue;
mod settings;
mod stats;

use std::{fmt, future::poll_fn, num::NonZeroUsize, sync::Arc, task::Poll, time::Duration};

use framework_core::PanicError;
use futures_util::Stream;
use tokio::time::{Instant, timeout_at};

pub use self::{
    job::{Cancelled, Job},
    settings::{PoolSettings, WhenFull},
    stats::{PoolStats, Spread},
};

use self::{
    batch::Batch,
    job::{Single, Ticket},
    queue::{Admission, Queue},
};

/// A fixed number of threads with a bounded queue before them. Clones are the same pool.
///
/// Each job has a deadline, which counts from the moment it is handed in. A job whose deadline has
/// passed, or whose caller has gone, is not begun; one that runs can [look](Job::is_cancelled), and
/// a thread that does not come back in time is replaced. A job that panics is an error of its
/// caller's and harms nobody else.
///
/// The threads end when the last clone is dropped, without waiting for what they do; to wait, call
/// [`drain`](Self::drain).
///
/// # Examples
///
/// ```
/// use framework_process::{PoolSettings, WorkerPool};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = WorkerPool::new(&PoolSettings::default())?;
/// let sum = pool.run(|_job| (1..=1_000_000_u64).sum::<u64>()).await?;
/// assert_eq!(sum, 500_000_500_000);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WorkerPool {
    owner: Arc<Owner>,
}

/// Closes the queue with the last clone; the threads have the queue alone.
struct Owner {
    queue: Arc<Queue>,
    settings: PoolSettings,
}

/// A job has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The queue is full.
    #[error("the queue is full: {waiting} jobs wait")]
    Rejected {
        /// How many jobs wait.
        waiting: usize,
    },
    /// The deadline passed before the job was done.
    #[error("the job `{name}` was not done within {limit:?}")]
    TimedOut {
        /// The job.
        name: &'static str,
        /// Its limit, from the moment it was handed in.
        limit: Duration,
    },
    /// The job panicked.
    #[error("the job `{name}` panicked")]
    Panicked {
        /// The job.
        name: &'static str,
        /// What it said.
        source: PanicError,
    },
    /// The pool takes no more jobs.
    #[error("the pool is closed")]
    Closed,
    /// The pool was closed before the job was done, and did not wait for it.
    #[error("the job `{name}` was abandoned when the pool closed")]
    Abandoned {
        /// The job.
        name: &'static str,
    },
}

/// A job that a pool did not wait for when it closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AbandonedJob {
    /// Its name.
    pub name: &'static str,
    /// How long ago it was handed in.
    pub age: Duration,
    /// Whether it had begun.
    pub running: bool,
}

/// A job that is about to be handed in; see [`WorkerPool::job`].
#[derive(Clone, Debug)]
pub struct Request<'p> {
    pool: &'p WorkerPool,
    name: &'static str,
    limit: Duration,
    when_full: WhenFull,
}

// ===== impl WorkerPool =====

impl WorkerPool {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When the operating system refuses one.
    pub fn new(settings: &PoolSettings) -> std::io::Result<Self> {
        let workers = settings.workers.unwrap_or_else(available_workers);
        let queue = Queue::start(workers, settings.queue)?;
        let owner = Owner { queue, settings: settings.clone() };
        Ok(Self { owner: Arc::new(owner) })
    }

    /// Runs `job` on one of the threads. Its limit and what happens where the queue is full are
    /// those of the settings; [`job`](Self::job) says otherwise.
    ///
    /// Dropping the future cancels the job.
    ///
    /// # Errors
    ///
    /// When the job is not done, for whatever reason.
    pub async fn run<T, F>(&self, job: F) -> Result<T, JobError>
    where
        T: Send + 'static,
        F: FnOnce(&Job) -> T + Send + 'static,
    {
        self.job("job").run(job).await
    }

    /// A job with a name, for errors and for the list of what was abandoned.
    #[must_use]
    pub fn job(&self, name: &'static str) -> Request<'_> {
        let PoolSettings { task_timeout, when_full, .. } = self.owner.settings;
        Request { pool: self, name, limit: task_timeout, when_full }
    }

    /// Runs `work` for each of `items`, and gives the results in the order of the items.
    ///
    /// Four items for each thread are in hand at a time, and 256 while each takes less than a quarter
    /// of a millisecond; a result of those may wait for five milliseconds to be read with others. They
    /// take no places in the queue, and take turns with the jobs that are there. Dropping the stream
    /// cancels those that are in hand.
    pub fn map<I, T, U, F>(
        &self,
        items: I,
        work: F,
    ) -> impl Stream<Item = Result<U, JobError>> + use<I, T, U, F>
    where
        I: IntoIterator<Item = T>,
        T: Send + 'static,
        U: Send + 'static,
        F: Fn(T, &Job) -> U + Send + Sync + 'static,
    {
        Batch::new(self, items.into_iter(), work, true)
    }

    /// As [`map`](Self::map), and gives the results as they come.
    pub fn map_unordered<I, T, U, F>(
        &self,
        items: I,
        work: F,
    ) -> impl Stream<Item = Result<U, JobError>> + use<I, T, U, F>
    where
        I: IntoIterator<Item = T>,
        T: Send + 'static,
        U: Send + 'static,
        F: Fn(T, &Job) -> U + Send + Sync + 'static,
    {
        Batch::new(self, items.into_iter(), work, false)
    }

    /// How it goes.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.owner.queue.stats()
    }

    /// Takes no more jobs, and waits until those there are have been done, no longer than `limit`.
    /// Then those that wait are dropped, those that run are cancelled, and both are named.
    pub async fn drain(&self, limit: Duration) -> Vec<AbandonedJob> {
        let queue = &self.owner.queue;
        queue.close();
        let deadline = Instant::now() + limit;
        // What is given up is named, and not waited for.
        let _ = timeout_at(deadline, queue.empty()).await;
        queue.abandon(Instant::now())
    }
}

/// As many threads as there are processors for this process: a limit on its share of them counts.
fn available_workers() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.queue.close();
        self.queue.abandon(Instant::now());
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

// ===== impl Request =====

impl Request<'_> {
    /// Sets how long the job may take, waiting included.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets what happens where the queue is full.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Runs `job` on one of the threads.
    ///
    /// Dropping the future cancels the job.
    ///
    /// # Errors
    ///
    /// When the job is not done, for whatever reason.
    pub async fn run<T, F>(self, job: F) -> Result<T, JobError>
    where
        T: Send + 'static,
        F: FnOnce(&Job) -> T + Send + 'static,
    {
        let Self { pool, name, limit, when_full } = self;
        let queue = &pool.owner.queue;
        let handed_in = Instant::now();
        let deadline = handed_in + limit;
        let timed_out = || JobError::TimedOut { name, limit };
        let place = match queue.try_place() {
            Admission::Full if when_full == WhenFull::Wait => {
                let place = timeout_at(deadline, queue.wait_for_place()).await;
                place.map_err(|_| queue.count_timeout(timed_out()))?
            }
            place => place,
        };
        let ticket = Ticket::new(name, handed_in, deadline);
        let place = match place {
            Admission::Place(place) => place,
            Admission::Closed => return Err(JobError::Closed),
            Admission::Full if when_full == WhenFull::RunHere => {
                return queue.run_here(&ticket, job);
            }
            Admission::Full => return Err(queue.rejected()),
        };
        let single = Single::new(Arc::clone(&ticket), job);
        let mut hold = Hold { ticket, queue, done: false };
        let mut place = Some(place);
        let result = poll_fn(|cx| {
            // Before the job is handed in: its end is not to be found here by chance.
            let result = single.poll(cx);
            if let Some(place) = place.take()
                && !queue.push(Arc::clone(&single) as _, Some(place))
            {
                return Poll::Ready(Err(JobError::Closed));
            }
            result
        });
        let waited = timeout_at(deadline, result).await;
        hold.done = waited.is_ok();
        waited.unwrap_or_else(|_| Err(queue.count_timeout(timed_out())))
    }
}

/// Cancels a job whose caller no longer waits.
struct Hold<'q> {
    ticket: Arc<Ticket>,
    queue: &'q Arc<Queue>,
    done: bool,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.ticket.cancel();
            self.queue.replace_overdue(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
