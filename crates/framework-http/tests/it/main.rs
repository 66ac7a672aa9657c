//! The server, the stack and the module from outside: real sockets on free ports.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod app;
mod client;
mod deadline;
mod drain;
mod extract;
mod frames;
mod http2;
#[cfg(feature = "idempotency")]
mod idempotency;
mod inject;
#[cfg(all(
    feature = "compression",
    feature = "cors",
    feature = "decompression",
    feature = "rate-limit",
    feature = "security-headers"
))]
mod layers;
mod limits;
mod listeners;
mod load;
mod module;
#[cfg(all(feature = "openapi", feature = "rate-limit", feature = "validation"))]
mod openapi;
mod shutdown;
mod sockets;
mod stack;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "validation")]
mod valid;
#[cfg(feature = "ws")]
mod websocket;
