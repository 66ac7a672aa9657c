use std::{fmt, io, num::NonZeroUsize, sync::Arc, time::Duration};

use framework_config::{ConfigExt as _, Faults, Settings, duration};
use framework_core::{Contributed, Contribution, Issue, Module, Order, Registrar, Unclaimed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ProcessPool, ProcessSettings, Task, Tasks};
use crate::{Program, codes, ipc::HandlerError};

/// How long tasks may go on when the application stops.
const DRAIN: Duration = Duration::from_secs(4);

/// Processes for tasks that may crash: section `process_pool`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessPoolSettings {
    /// How many processes there are; without it, as many as there are processors for the process.
    pub processes: Option<NonZeroUsize>,
    /// How many tasks may wait.
    pub queue: usize,
    /// How long a task may take, waiting included; its process is ended then.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub task_timeout: Duration,
    /// After how many tasks a process is replaced, for code that leaks; without it, never.
    pub tasks_per_process: Option<NonZeroUsize>,
}

/// Offers a [`ProcessPool`] to the application, for the tasks that modules name with
/// [`TaskExt::task`].
///
/// The processes run the application's own program; the command line of the framework has them do
/// tasks and nothing else.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ProcessPoolModule {
    // Of a process that does tasks: what it is to know.
    found: Option<Arc<std::sync::OnceLock<Tasks>>>,
}

/// Words for [`Registrar`] about tasks in other processes.
pub trait TaskExt: sealed::Sealed {
    /// Has the processes of the pool do tasks of type `T`.
    #[track_caller]
    fn task<T: Task>(&mut self);
}

/// A type of task that processes are to know.
pub struct TaskKind {
    name: &'static str,
    add: fn(Tasks) -> Result<Tasks, HandlerError>,
}

impl Contribution for TaskKind {
    const KIND: &'static str = "task";
    const ORDER: Order = Order::Independent;
    const UNCLAIMED: Unclaimed = Unclaimed::Reject;
}

impl TaskExt for Registrar<'_> {
    #[track_caller]
    fn task<T: Task>(&mut self) {
        self.contribute(TaskKind { name: T::NAME, add: Tasks::with::<T> });
    }
}

impl Default for ProcessPoolSettings {
    fn default() -> Self {
        let ProcessSettings { queue, task_timeout, .. } = ProcessSettings::default();
        Self { processes: None, queue, task_timeout, tasks_per_process: None }
    }
}

impl Settings for ProcessPoolSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.queue == 0 {
            faults.add("queue", "must be at least 1");
        }
        if self.task_timeout.is_zero() {
            faults.add("task_timeout", "must be longer than 0s");
        }
    }

    // The processes are started once.
    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }
}

impl ProcessPoolSettings {
    /// The same for a pool that is made without a configuration.
    #[must_use]
    pub fn pool(&self) -> ProcessSettings {
        let usual = ProcessSettings::default();
        ProcessSettings {
            processes: self.processes.unwrap_or(usual.processes),
            queue: self.queue,
            task_timeout: self.task_timeout,
            tasks_per_process: self.tasks_per_process.map(|tasks| tasks.get() as u64),
        }
    }
}

impl ProcessPoolModule {
    /// A pool as the configuration says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For a process that does tasks: leaves those that modules name in `found` when the
    /// application is planned.
    #[must_use]
    pub fn to_find(found: Arc<std::sync::OnceLock<Tasks>>) -> Self {
        Self { found: Some(found) }
    }
}

impl Module for ProcessPoolModule {
    fn name(&self) -> &'static str {
        "process-pool"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let settings = reg.config::<ProcessPoolSettings>("process_pool");
        let kinds = reg.collect::<TaskKind>();
        reg.gate("tasks", move |view| {
            let kinds = view.collected(&kinds);
            match (tasks(kinds), self.found) {
                (Err(error), _) => vec![twice(kinds, &error)],
                (Ok(tasks), Some(found)) => {
                    // There is one process, which looks once.
                    let _ = found.set(tasks);
                    Vec::new()
                }
                (Ok(_), None) => Vec::new(),
            }
        });
        let pool = reg.provide(move |_cx| async move {
            let program = Program::own().map_err(|error: io::Error| error)?;
            Ok(ProcessPool::new(program, settings.get().pool()))
        });
        reg.teardown("drain", move |cx| async move {
            if !cx.get(&pool).drain(DRAIN).await {
                tracing::warn!("tasks were given up with their processes");
            }
            Ok(())
        });
    }
}

fn tasks(kinds: &[Contributed<TaskKind>]) -> Result<Tasks, HandlerError> {
    kinds.iter().try_fold(Tasks::new(), |tasks, kind| (kind.item().add)(tasks))
}

fn twice(kinds: &[Contributed<TaskKind>], error: &HandlerError) -> Issue {
    let summary = format!("two tasks are called `{}`", error.name);
    let issue = Issue::new(&codes::TWO_HANDLERS, summary);
    let named = kinds.iter().filter(|kind| kind.item().name == error.name);
    named
        .fold(issue, |issue, kind| {
            issue.evidence(format!("`{}` at {}", kind.module(), kind.location()))
        })
        .help("give one of them another `NAME`")
}

impl fmt::Debug for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskKind").field("name", &self.name).finish_non_exhaustive()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for framework_core::Registrar<'_> {}
}
