//! What the crate promises, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, and so do its helpers")]

mod classes;
mod excerpts;
mod generated;
mod includes;
#[cfg(feature = "di")]
mod inject;
mod last_good;
mod merging;
mod messages;
mod module;
mod probation;
mod reload;
mod report;
mod secrets;
mod settings;
mod sources;
#[cfg(unix)]
mod watch;
