//! The crate as its users see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod control;
#[cfg(feature = "ipc")]
mod ipc;
#[cfg(feature = "ipc")]
mod ipc_fuzz;
#[cfg(feature = "pool")]
mod memory;
#[cfg(feature = "module")]
mod module;
mod race;
#[cfg(feature = "module")]
mod resources;
