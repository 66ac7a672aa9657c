//! What the crate promises, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, and so do its helpers")]

#[cfg(feature = "di")]
mod inject;
mod messages;
mod module;
mod reload;
mod report;
mod secrets;
mod settings;
mod sources;
#[cfg(unix)]
mod watch;
