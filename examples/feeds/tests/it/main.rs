//! The optimizer as its users and its operators see it.

mod app;
mod background;
mod client;
mod encryption;
mod fetching;
mod origin;
mod parse;
mod plan;
mod process;
mod publishing;
mod refusals;
mod samples;
mod walk_through;
