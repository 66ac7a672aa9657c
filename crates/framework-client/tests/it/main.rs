//! Clients from outside: real sockets on free ports, servers of the framework's own, and modules.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod module;
mod servers;
#[cfg(feature = "tls")]
mod tls;
