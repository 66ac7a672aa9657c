//! What the facade adds to an application, and what it leaves out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(all(feature = "admin", feature = "cli"))]
mod drain;
#[cfg(all(feature = "admin", feature = "cli"))]
mod layers;
#[cfg(feature = "di")]
mod macros;
mod weight;
