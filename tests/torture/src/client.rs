//! A client that does exactly what it is told, and never tries again.

mod answer;
mod connection;
pub(crate) mod events;
pub(crate) mod http2;
pub(crate) mod tls;
pub(crate) mod websocket;

pub(crate) use self::{
    answer::Answer,
    connection::{Connection, Dial, request},
};
