//! What applications rely on, through the public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod metrics;
mod module;
mod rig;
mod settings;
