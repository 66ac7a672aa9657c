//! The ways to be cruel.

pub(crate) mod broken;
pub(crate) mod certificates;
mod cluster;
mod counters;
pub(crate) mod daemon;
pub(crate) mod drain;
pub(crate) mod hostile;
pub(crate) mod instance;
pub(crate) mod ipc;
pub(crate) mod killed;
pub(crate) mod malformed;
pub(crate) mod ports;
pub(crate) mod reload;
pub(crate) mod roll;
pub(crate) mod rotation;
pub(crate) mod scale;
pub(crate) mod scarce;
pub(crate) mod signals;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod streams;
pub(crate) mod stuck;
pub(crate) mod upgrade;
