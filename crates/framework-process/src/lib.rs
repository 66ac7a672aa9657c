//! What an application's process needs around it: one instance, a way into the background, a
//! service manager that is kept informed, and a socket that its operators speak to.
//!
//! * [`Instance`] is the one process that holds a PID file; [`RunFiles`] says where that is, and
//!   what lies beside it.
//! * [`ControlServer`] and [`ControlClient`] are the two ends of the operators' socket.
//! * [`detach`] goes into the background, and tells the launcher how it went.
//! * [`StartedBy`] is what the service manager says, [`Notifier`] what it is told.
//! * [`BlockedSignals`] keeps signals until somebody listens to them.
//! * [`OrphanReaper`] waits, in the first process of a container, for those whose parents have
//!   ended.
//! * [`Privileges`] are those of a user with less power.
//! * [`DumpFiles`] are the last debug dumps, and [`release_startup_memory`] gives back what only the
//!   start needed.
//! * `WorkerPool` (feature `pool`) has threads for work that keeps a processor busy;
//!   `WorkerPoolModule` (feature `module`) offers it to an application.
//! * `ResourceMonitor` (feature `resources`) watches memory and processor time, and says what to do
//!   without when there is little of them; `ResourceModule` (feature `module`) has an application do
//!   so.
//!
//! Each works without modules. The verbs in `framework-cli` put them together.
//!
//! # Examples
//!
//! ```
//! use framework_process::Instance;
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("app.pid");
//! let instance = Instance::acquire(&path)?;
//! assert!(Instance::acquire(&path).is_err());
//! drop(instance);
//! assert!(Instance::acquire(&path).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]

#[cfg(feature = "cluster")]
mod cluster;
#[cfg(all(feature = "cluster", feature = "module"))]
pub mod codes;
mod control;
mod descriptors;
mod detach;
mod dump;
mod environment;
mod instance;
#[cfg(feature = "ipc")]
pub mod ipc;
mod memory;
#[cfg(feature = "module")]
mod module;
mod orphans;
#[cfg(feature = "pool")]
mod pool;
mod privileges;
#[cfg(feature = "resources")]
mod resources;
mod run_files;
mod signals;
#[cfg(feature = "cluster")]
mod succession;
mod systemd;
#[cfg(all(feature = "cluster", feature = "pool"))]
pub mod tasks;

#[cfg(feature = "cluster")]
pub use self::cluster::{
    Accept, Beat, ClusterCommands, ClusterFailed, ClusterSettings, Primary, Program, ReadyWorker,
    RecycleLimits, RecycleSettings, RestartPolicy, RestartSettings, RollFailed, SlotSettings,
    SlotSockets, WorkerEnd, WorkerEndError, WorkerHooks, WorkerLink, merge_metrics,
};
#[cfg(feature = "module")]
pub use self::module::{QueuePolicy, WorkerPoolModule, WorkerPoolSettings};
#[cfg(feature = "pool")]
pub use self::pool::{
    AbandonedJob, Cancelled, Job, JobError, PoolSettings, PoolStats, Request as JobRequest, Spread,
    WhenFull, WorkerPool,
};
#[cfg(feature = "resources")]
pub use self::resources::{
    CpuReading, LoopLag, MemoryEvents, MemoryReading, Pressure, PressureLevel, PressureMachine,
    PressureSignals, ProcessReading, ResourceLimits, ResourceMonitor, ResourceReader,
    ResourceSample,
};
#[cfg(feature = "module")]
pub use self::resources::{
    PressureAction, PressureChange, ResourceExt, ResourceModule, ResourceSettings, Share,
    ShareError,
};
#[cfg(feature = "cluster")]
pub use self::succession::{Predecessor, SuccessionError, Successor};
pub use self::{
    control::{
        ControlClient, ControlError, ControlHandler, ControlServer, Progress, Refused, ReloadHow,
        Request,
    },
    detach::{DetachError, Launcher, Outcome, Reporter, Side, detach, let_go_of_output},
    dump::DumpFiles,
    environment::{StartedBy, StartedByError},
    instance::{Instance, InstanceError},
    memory::release_startup_memory,
    orphans::OrphanReaper,
    privileges::{Privileges, PrivilegesError},
    run_files::RunFiles,
    signals::BlockedSignals,
    systemd::{InheritedSocket, Notifier, NotifyError, SocketsError, State, parse_sockets},
};
