//! Whether the application works: checks, how they are run, and how they stand.

mod board;
mod check;
mod judge;
mod report;
mod runner;
mod settings;
mod state;

pub use self::{
    board::{CheckStanding, HealthBoard},
    check::{HealthCheck, HealthOptions},
    report::{CheckReport, HealthReport, MemoryReport},
    runner::HealthRunner,
    settings::HealthSettings,
    state::CheckState,
};

pub(crate) use self::judge::judge;

#[cfg(test)]
mod tests;
