//! What an application's process needs around it: one instance, a way into the background, a
//! service manager that is kept informed, and a socket that its operators speak to.

#![deny(missing_docs)]

mod control;
mod detach;
mod dump;
mod environment;
mod instance;
mod memory;
mod run_files;
mod signals;
mod systemd;

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
