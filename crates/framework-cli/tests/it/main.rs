//! The command line, in memory and as a process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broken;
mod config;
mod explain;
mod faults;
mod probation;
mod process;
mod reload;
mod serve;
mod tasks;
mod verbs;
