//! How one configuration takes the place of another, while the application runs.

mod change;
mod error;
mod flight;
mod history;
mod owner;
mod prepared;
mod probation;
mod record;
mod request;
mod serve;
mod transaction;

pub use self::{
    change::{ConfigChange, ReloadClass},
    error::ReloadError,
    owner::{Prepared, ReloadOwner},
    prepared::PreparedReload,
    record::{ReloadOutcome, ReloadRecord, ReloadTrigger},
};
pub(crate) use self::{
    flight::Flight,
    history::History,
    owner::Owners,
    probation::{Probation, Trial},
    request::Requests,
    serve::serve,
    transaction::{dry_run, go_back, reload},
};
