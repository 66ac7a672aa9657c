//! What an application's process needs around it: one instance, a way into the background, a
//! service manager that is kept informed, and a socket that its operators speak to.

#![deny(missing_docs)]

mod control;
mod detach;
mod dump;
mod environment;
mod instance;
mod memory;
#[cfg(feature = "module")]
mod module;
#[cfg(feature = "pool")]
mod pool;
mod run_files;
mod signals;
mod systemd;

#[cfg(feature = "module")]
pub use self::module::{QueuePolicy, WorkerPoolModule, WorkerPoolSettings};
#[cfg(feature = "pool")]
pub use self::pool::{
    AbandonedJob, Cancelled, Job, JobError, PoolSettings, PoolStats, Request as JobRequest, Spread,
    WhenFull, WorkerPool,
};
pub use self::{
    control::{
        ControlClient, ControlError, ControlHandler, ControlServer, Progress, Refused, Request,
    },
    detach::{DetachError, Launcher, Outcome, Reporter, Side, detach},
    dump::DumpFiles,
    environment::{StartedBy, StartedByError},
    instance::{Instance, InstanceError},
    memory::release_startup_memory,
    run_files::RunFiles,
    signals::BlockedSignals,
    systemd::{InheritedSocket, Notifier, NotifyError, SocketsError, State, parse_sockets},
};
