//! The ways to be cruel.

pub(crate) mod certificates;
mod counters;
pub(crate) mod drain;
pub(crate) mod hostile;
pub(crate) mod malformed;
pub(crate) mod ports;
pub(crate) mod reload;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod streams;
