//! The operator's listener from outside: real applications on free ports.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod config;
mod endpoints;
mod lifetime;
mod rig;
