//! What the facade adds to an application, and what it leaves out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(all(feature = "admin", feature = "cli"))]
mod drain;
#[cfg(all(feature = "admin", feature = "cli"))]
mod layers;
#[cfg(feature = "di")]
mod macros;
#[cfg(all(
    feature = "http",
    feature = "observability",
    feature = "testing",
    feature = "worker-pool"
))]
mod process_metrics;
#[cfg(all(feature = "admin", feature = "cli", feature = "resources"))]
mod resources;
mod weight;
