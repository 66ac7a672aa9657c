//! The tools find what they are there to find, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod any_app;
mod demo;
mod fakes;
mod harness;
#[cfg(feature = "http")]
mod http;
mod lifecycle;
mod plan;
mod test_app;
