//! Jobs that may crash or leak, in processes of their own.
//!
//! A [`Task`] is a job that can be sent to another process: what it needs goes there, and what it
//! returns comes back. A [`ProcessPool`] does tasks in processes that do nothing else: one that
//! crashes, runs out of memory or never returns takes its task with it and nothing more. Where that
//! is not to be feared, a [`WorkerPool`] does the same tasks on threads, and
//! [`RunTasks`] is what both have in common.
//!
//! The processes run the same program. It does tasks, and nothing else, if [`TaskChild::take`] says
//! so.

use std::{fmt, future::Future, time::Duration};

use framework_core::BoxError;
use serde::{Deserialize, Serialize};

use crate::{
    Job, JobError, WorkerPool,
    ipc::{HandlerError, Handlers, Message, Request},
};

mod child;
#[cfg(feature = "module")]
mod module;
mod pool;

#[cfg(feature = "module")]
pub use self::module::{ProcessPoolModule, ProcessPoolSettings, TaskExt, TaskKind};
pub use self::{
    child::{TaskChild, TaskChildError},
    pool::{ProcessPool, ProcessPoolStats, ProcessSettings},
};

/// A job that can be done in another process.
///
/// # Examples
///
/// ```
/// use framework_process::tasks::Task;
/// use framework_process::ipc::{Message, Request};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Thumbnail {
///     image: Vec<u8>,
/// }
///
/// impl Message for Thumbnail {
///     const NAME: &'static str = "gallery.thumbnail";
/// }
///
/// impl Request for Thumbnail {
///     type Reply = Vec<u8>;
/// }
///
/// impl Task for Thumbnail {
///     // It may be done twice: nobody sees the difference.
///     const IDEMPOTENT: bool = true;
///
///     fn run(self) -> Result<Vec<u8>, framework_core::BoxError> {
///         Ok(self.image.into_iter().step_by(2).collect())
///     }
/// }
/// ```
pub trait Task: Request {
    /// Whether it may be done again if a process has crashed with it.
    const IDEMPOTENT: bool = false;

    /// Does it. It may take its time, and block.
    ///
    /// # Errors
    ///
    /// When it cannot be done.
    fn run(self) -> Result<Self::Reply, BoxError>;
}

/// Somewhere that tasks are done: on threads, or in processes.
pub trait RunTasks {
    /// Does `task`, and waits for what it returns.
    fn run_task<T: Task>(
        &self,
        task: T,
    ) -> impl Future<Output = Result<T::Reply, TaskError>> + Send;
}

/// A task has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// It says so itself.
    #[error("the task failed: {0}")]
    Failed(String),
    /// It panicked.
    #[error("the task panicked: {0}")]
    Panicked(String),
    /// The process that did it has ended, and the task with it.
    #[error("the process that did the task {0}")]
    Crashed(String),
    /// It took longer than it may; the process that did it has been ended.
    #[error("the task was not done within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// Too many tasks wait already.
    #[error("too many tasks are waiting")]
    Full,
    /// The pool takes no tasks any more.
    #[error("the pool is closed")]
    Closed,
    /// No process can be started, or it does not know the task.
    #[error("the task cannot be done: {0}")]
    Unavailable(String),
}

/// The tasks that a process can do.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    handlers: Handlers,
}

/// A task on its way to another process.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Sent<T>(T);

/// What came of it there.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome<R> {
    Done(R),
    Failed(String),
    Panicked(String),
}

impl<T: Task> Message for Sent<T> {
    const NAME: &'static str = T::NAME;
    const VERSION: u32 = T::VERSION;
}

impl<T: Task> Request for Sent<T> {
    type Reply = Outcome<T::Reply>;
}

impl Tasks {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These, and `T`.
    ///
    /// # Errors
    ///
    /// When there is one of this name already.
    pub fn with<T: Task>(self) -> Result<Self, HandlerError> {
        let answer = async |Sent(task): Sent<T>, _| Ok(on_a_thread(task).await);
        Ok(Self { handlers: self.handlers.answer(answer)? })
    }
}

/// Does the task beside what keeps the conversation going.
async fn on_a_thread<T: Task>(task: T) -> Outcome<T::Reply> {
    match tokio::task::spawn_blocking(move || task.run()).await {
        Ok(Ok(reply)) => Outcome::Done(reply),
        Ok(Err(error)) => Outcome::Failed(error.to_string()),
        Err(ended) => Outcome::Panicked(said(ended)),
    }
}

fn said(ended: tokio::task::JoinError) -> String {
    let Ok(panic) = ended.try_into_panic() else { return "it was given up".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no reason was given".to_owned())
}

impl RunTasks for WorkerPool {
    fn run_task<T: Task>(
        &self,
        task: T,
    ) -> impl Future<Output = Result<T::Reply, TaskError>> + Send {
        let pool = self.clone();
        async move {
            let work = move |_job: &Job| task.run().map_err(|error| error.to_string());
            match pool.job(T::NAME).run(work).await {
                Ok(Ok(reply)) => Ok(reply),
                Ok(Err(why)) => Err(TaskError::Failed(why)),
                Err(error) => Err(error.into()),
            }
        }
    }
}

impl From<JobError> for TaskError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Rejected { .. } => Self::Full,
            JobError::Closed | JobError::Abandoned { .. } => Self::Closed,
            JobError::TimedOut { limit, .. } => Self::TimedOut(limit),
            JobError::Panicked { source, .. } => Self::Panicked(source.to_string()),
        }
    }
}

impl<T> fmt::Debug for Sent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent")
    }
}
