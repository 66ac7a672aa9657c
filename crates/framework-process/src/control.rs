//! How operators speak to a running process: over a socket of its own, and never by a number that
//! may be another process's by now.

mod client;
mod protocol;
mod server;

pub use self::{
    client::ControlClient,
    protocol::{ControlError, Refused, ReloadHow, Request},
    server::{ControlHandler, ControlServer, Progress},
};
