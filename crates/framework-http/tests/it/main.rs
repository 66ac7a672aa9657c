//! The server, the stack and the module from outside: real sockets on free ports.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod app;
mod client;
mod drain;
mod extract;
mod http2;
mod inject;
mod limits;
mod module;
mod stack;
