//! What the crate promises, by way of real plans.

#![cfg(test)]

mod app;
mod bind;
mod decorate;
mod derive;
mod drop_order;
mod lazy;
mod on_demand;
mod plan;
mod scopes;
mod singletons;
mod ui;
