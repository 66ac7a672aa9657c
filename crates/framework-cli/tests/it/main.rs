//! The command line, in memory and as a process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broken;
mod explain;
mod process;
mod serve;
mod verbs;
