use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    Outcome, RunTasks, Task, TaskError,
    child::{Greet, VARIABLE},
};
use crate::{
    Program,
    cluster::process::{DESCRIPTOR, Process},
    ipc::{Forwarded, Handlers, IpcError, Peer, To, socket_pair},
};

/// How a [`ProcessPool`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessSettings {
    /// How many processes there are.
    pub processes: NonZeroUsize,
    /// How many tasks may wait.
    pub queue: usize,
    /// How long a task may take, waiting included. A process that is not done by then is ended.
    pub task_timeout: Duration,
    /// After how many tasks a process is replaced: for code that leaks. `None`: never.
    pub tasks_per_process: Option<u64>,
}

/// What a pool has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessPoolStats {
    /// Tasks that returned something.
    pub done: u64,
    /// Tasks that failed or panicked.
    pub failed: u64,
    /// Tasks whose process crashed.
    pub crashed: u64,
    /// Tasks that took too long.
    pub timed_out: u64,
    /// Tasks that were done again after a crash.
    pub retried: u64,
    /// Processes that were started.
    pub started: u64,
}

/// Processes that do tasks, each one task at a time. A process that crashes takes its task with it
/// and nothing more: another one is started in its place.
///
/// They are started when there is something to do, by the program that this process runs.
#[derive(Debug)]
pub struct ProcessPool {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    lanes: Mutex<JoinSet<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    program: Program,
    settings: ProcessSettings,
    stats: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    done: AtomicU64,
    failed: AtomicU64,
    crashed: AtomicU64,
    timed_out: AtomicU64,
    retried: AtomicU64,
    started: AtomicU64,
}

#[derive(Debug)]
struct Job {
    name: &'static str,
    message: Forwarded,
    idempotent: bool,
    deadline: Instant,
    answer: oneshot::Sender<Result<Vec<u8>, TaskError>>,
}

type Jobs = Arc<tokio::sync::Mutex<mpsc::Receiver<Job>>>;

/// A process that does tasks. It is ended with this.
#[derive(Debug)]
struct Child {
    process: Process,
    peer: Peer,
    conversation: JoinSet<()>,
    tasks: u64,
}

/// What came of a task in one process.
enum Attempt {
    Answered(Result<Vec<u8>, TaskError>),
    Crashed(String),
    TimedOut,
}

/// How long a process may take to be there.
const BOOT: Duration = Duration::from_secs(30);

/// How long to wait before a process is started again that could not be started.
const BACKOFF: Duration = Duration::from_millis(100);

impl Default for ProcessSettings {
    fn default() -> Self {
        let processes = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let (queue, task_timeout) = (1024, Duration::from_secs(30));
        Self { processes, queue, task_timeout, tasks_per_process: None }
    }
}

// ===== impl ProcessPool =====

impl ProcessPool {
    /// A pool of processes that each run `program`. To be called within a runtime.
    #[must_use]
    pub fn new(program: Program, settings: ProcessSettings) -> Self {
        let (queue, jobs) = mpsc::channel(settings.queue.max(1));
        let jobs: Jobs = Arc::new(tokio::sync::Mutex::new(jobs));
        let processes = settings.processes.get();
        let shared = Arc::new(Shared { program, settings, stats: Counters::default() });
        let mut lanes = JoinSet::new();
        for _ in 0..processes {
            lanes.spawn(lane(Arc::clone(&shared), Arc::clone(&jobs)));
        }
        Self { queue: Mutex::new(Some(queue)), lanes: Mutex::new(lanes), shared }
    }

    /// Does `task` in one of the processes.
    ///
    /// # Errors
    ///
    /// When there is no result: see [`TaskError`].
    pub async fn run<T: Task>(&self, task: T) -> Result<T::Reply, TaskError> {
        self.run_task(task).await
    }

    async fn run_encoded<T: Task>(
        &self,
        message: Result<Forwarded, IpcError>,
    ) -> Result<T::Reply, TaskError> {
        let (answer, answered) = oneshot::channel();
        let message = message.map_err(|error| unavailable(&error))?;
        let deadline = Instant::now() + self.shared.settings.task_timeout;
        let job = Job { name: T::NAME, message, idempotent: T::IDEMPOTENT, deadline, answer };
        let queue = lock(&self.queue).clone().ok_or(TaskError::Closed)?;
        queue.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => TaskError::Full,
            mpsc::error::TrySendError::Closed(_) => TaskError::Closed,
        })?;
        drop(queue);
        let bytes = answered.await.unwrap_or(Err(TaskError::Closed))?;
        let stats = &self.shared.stats;
        match postcard::from_bytes::<Outcome<T::Reply>>(&bytes) {
            Ok(Outcome::Done(reply)) => {
                stats.done.fetch_add(1, Relaxed);
                Ok(reply)
            }
            Ok(Outcome::Failed(why)) => {
                stats.failed.fetch_add(1, Relaxed);
                Err(TaskError::Failed(why))
            }
            Ok(Outcome::Panicked(why)) => {
                stats.failed.fetch_add(1, Relaxed);
                Err(TaskError::Panicked(why))
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// What the pool has done.
    #[must_use]
    pub fn stats(&self) -> ProcessPoolStats {
        let Counters { done, failed, crashed, timed_out, retried, started } = &self.shared.stats;
        ProcessPoolStats {
            done: done.load(Relaxed),
            failed: failed.load(Relaxed),
            crashed: crashed.load(Relaxed),
            timed_out: timed_out.load(Relaxed),
            retried: retried.load(Relaxed),
            started: started.load(Relaxed),
        }
    }

    /// Takes no more tasks, and waits until those that were taken are done, no longer than `limit`.
    /// Returns whether they were.
    pub async fn drain(&self, limit: Duration) -> bool {
        lock(&self.queue).take();
        let mut lanes = std::mem::take(&mut *lock(&self.lanes));
        let ended = async { while lanes.join_next().await.is_some() {} };
        timeout(limit, ended).await.is_ok()
    }
}

impl RunTasks for ProcessPool {
    fn run_task<T: Task>(
        &self,
        task: T,
    ) -> impl Future<Output = Result<T::Reply, TaskError>> + Send {
        // Only what is sent is kept, which any thread may have.
        self.run_encoded::<T>(Forwarded::of(&task))
    }
}

// No code of others runs while it is held.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(error: &dyn std::fmt::Display) -> TaskError {
    TaskError::Unavailable(error.to_string())
}

// ===== one process after the other =====

async fn lane(shared: Arc<Shared>, jobs: Jobs) {
    let mut child: Option<Child> = None;
    while let Some(job) = next(&jobs, &mut child).await {
        let mut again = job.idempotent;
        let answer = loop {
            let here = match ready(&shared, child.take(), job.deadline).await {
                Ok(here) => child.insert(here),
                Err(error) => break Err(error),
            };
            match here.attempt(&job).await {
                Attempt::Answered(answer) => break answer,
                Attempt::TimedOut => {
                    shared.stats.timed_out.fetch_add(1, Relaxed);
                    child = None;
                    break Err(TaskError::TimedOut(shared.settings.task_timeout));
                }
                Attempt::Crashed(how) => {
                    child = None;
                    tracing::error!(task = job.name, how, "a process crashed with its task");
                    if !std::mem::take(&mut again) {
                        shared.stats.crashed.fetch_add(1, Relaxed);
                        break Err(TaskError::Crashed(how));
                    }
                    shared.stats.retried.fetch_add(1, Relaxed);
                }
            }
        };
        // Whoever has gone away does not want it.
        let _ = job.answer.send(answer);
    }
}

/// The next task; a process that ends meanwhile is buried.
async fn next(jobs: &Jobs, child: &mut Option<Child>) -> Option<Job> {
    loop {
        let job = async { jobs.lock().await.recv().await };
        let Some(here) = child else { return job.await };
        tokio::select! {
            job = job => return job,
            ended = here.process.ended() => {
                tracing::warn!(%ended, "a process that had nothing to do has gone");
                *child = None;
            }
        }
    }
}

/// A process that can take a task: the one there is, or a new one.
async fn ready(
    shared: &Shared,
    child: Option<Child>,
    deadline: Instant,
) -> Result<Child, TaskError> {
    let limit = shared.settings.tasks_per_process.unwrap_or(u64::MAX);
    if let Some(child) = child.filter(|child| child.tasks < limit) {
        return Ok(child);
    }
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let started = timeout(left.min(BOOT), Child::start(&shared.program)).await;
        shared.stats.started.fetch_add(1, Relaxed);
        let error = match started {
            Ok(Ok(child)) => return Ok(child),
            Ok(Err(error)) => error,
            Err(_) => unavailable(&"no process was ready in time"),
        };
        if deadline.saturating_duration_since(Instant::now()) <= BACKOFF {
            return Err(error);
        }
        sleep(BACKOFF).await;
    }
}

impl Child {
    async fn start(program: &Program) -> Result<Self, TaskError> {
        let (own, theirs) = socket_pair().map_err(|error| unavailable(&error))?;
        let opened = Peer::open_to_any(own, Handlers::new());
        let (peer, driver) = opened.map_err(|error| unavailable(&error))?;
        let mut command = program.command();
        command.env(VARIABLE, DESCRIPTOR.to_string());
        let process = Process::start(command, theirs).map_err(|error| unavailable(&error))?;
        let mut conversation = JoinSet::new();
        conversation.spawn(async move {
            driver.await;
        });
        let mut child = Self { process, peer, conversation, tasks: 0 };
        match child.peer.call(To::Peer, &Greet, BOOT).await {
            Ok(_schema) => Ok(child),
            Err(IpcError::PeerGone) => {
                let how = child.process.ended().await;
                Err(unavailable(&format!("a process for it {how}")))
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn attempt(&mut self, job: &Job) -> Attempt {
        self.tasks += 1;
        let left = job.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || job.answer.is_closed() {
            return Attempt::Answered(Err(TaskError::TimedOut(Duration::ZERO)));
        }
        match self.peer.pass_on_and_wait(0, &job.message, left).await {
            Ok(answer) => Attempt::Answered(Ok(answer.into_body())),
            Err(IpcError::Timeout) => Attempt::TimedOut,
            Err(IpcError::PeerGone) => Attempt::Crashed(self.process.ended().await.to_string()),
            Err(error) => Attempt::Answered(Err(unavailable(&error))),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.conversation.abort_all();
        self.process.end();
    }
}
