//! Several processes of one application.

mod primary;
mod worker;

pub(crate) use self::{
    primary::{Clustered, PrimaryModule},
    worker::{Hooks, WorkerModule, keep_primary_informed},
};
