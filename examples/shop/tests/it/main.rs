//! The shop as its users and its operators see it.

mod client;
mod crash;
mod idempotency;
mod openapi;
mod oversell;
mod plan;
mod process;
mod refusals;
mod shop;
mod walk_through;
