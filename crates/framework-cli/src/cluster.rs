//! Several processes of one application.

mod primary;
mod reload;
mod worker;

pub(crate) use self::{
    primary::{Clustered, PrimaryModule},
    reload::{Reloading, Undecided, monotonic_micros},
    worker::{Hooks, WorkerModule, keep_primary_informed},
};
