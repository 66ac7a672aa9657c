use std::{
    num::NonZeroUsize,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use framework_config::{ConfigExt as _, Faults, Settings, duration};
use framework_core::{Inspect, Module, Registrar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PoolSettings, WhenFull, WorkerPool};

/// How long jobs may go on when the application stops.
const DRAIN: Duration = Duration::from_secs(4);

/// Threads for work that keeps a processor busy: section `worker_pool`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerPoolSettings {
    /// How many threads there are; without it, as many as there are processors for the process.
    pub workers: Option<NonZeroUsize>,
    /// How many jobs may wait.
    pub queue: usize,
    /// How long a job may take, waiting included.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub task_timeout: Duration,
    /// What happens to a job where the queue is full.
    pub when_full: QueuePolicy,
}

/// What happens to a job where the queue is full, as the configuration spells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QueuePolicy {
    /// It is refused at once.
    #[default]
    Reject,
    /// Its caller waits.
    Wait,
    /// Its caller does it.
    RunHere,
}

/// Offers a [`WorkerPool`] to the application.
///
/// It reads the section `worker_pool`. When the application stops, the modules that use the pool
/// stop first; what they have left to it is then waited for, for a few seconds, and what is not
/// done by then is named in the log.
///
/// # Examples
///
/// ```
/// use framework_core::module_fn;
/// use framework_process::WorkerPool;
///
/// let parsing = module_fn("parsing", |reg| {
///     let pool = reg.need::<WorkerPool>();
///     reg.setup("warm-up", move |cx| async move {
///         let length = cx.get(&pool).run(|_job| "a long document".len()).await?;
///         assert_eq!(length, 15);
///         Ok(())
///     });
/// });
/// # let _ = parsing;
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct WorkerPoolModule;

impl WorkerPoolModule {
    /// A pool as the configuration says.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Default for WorkerPoolSettings {
    fn default() -> Self {
        let PoolSettings { workers, queue, task_timeout, .. } = PoolSettings::default();
        Self { workers, queue, task_timeout, when_full: QueuePolicy::default() }
    }
}

impl Settings for WorkerPoolSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.queue == 0 {
            faults.add("queue", "must be at least 1");
        }
        if self.task_timeout.is_zero() {
            faults.add("task_timeout", "must be longer than 0s");
        }
    }

    // The threads are started once.
    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }
}

impl WorkerPoolSettings {
    /// The same for a pool that is made without a configuration.
    #[must_use]
    pub fn pool(&self) -> PoolSettings {
        let when_full = match self.when_full {
            QueuePolicy::Reject => WhenFull::Reject,
            QueuePolicy::Wait => WhenFull::Wait,
            QueuePolicy::RunHere => WhenFull::RunHere,
        };
        let Self { workers, queue, task_timeout, .. } = *self;
        PoolSettings { workers, queue, task_timeout, when_full }
    }
}

impl Module for WorkerPoolModule {
    fn name(&self) -> &'static str {
        "worker-pool"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let settings = reg.config::<WorkerPoolSettings>("worker_pool");
        let made = Arc::<OnceLock<Weak<WorkerPool>>>::default();
        let seen = Arc::clone(&made);
        reg.contribute(Inspect::maybe(move || {
            Some(seen.get()?.upgrade()?.stats().to_json().to_string())
        }));
        let pool =
            reg.provide(move |_cx| async move { Ok(WorkerPool::new(&settings.get().pool())?) });
        let own = pool.clone();
        reg.setup("show", move |cx| async move {
            let _ = made.set(Arc::downgrade(&cx.get(&own)));
            Ok(())
        });
        reg.teardown("drain", move |cx| async move {
            for job in cx.get(&pool).drain(DRAIN).await {
                tracing::warn!(job = job.name, age = ?job.age, running = job.running, "abandoned");
            }
            Ok(())
        });
    }
}
