//! What each enabled layer adds to every application.

use framework_app::AppBuilder;

#[cfg(feature = "admin")]
mod admin;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "config")]
mod config;
#[cfg(feature = "http")]
mod http;
#[cfg(any(feature = "ipc", feature = "process-pool"))]
mod ipc;
#[cfg(feature = "observability")]
mod observability;
#[cfg(all(feature = "http", feature = "observability"))]
mod observed;
#[cfg(all(
    feature = "http",
    feature = "observability",
    any(feature = "resources", feature = "worker-pool")
))]
mod process;

/// One a layer, from the ground up.
const LAYERS: &[fn(AppBuilder) -> AppBuilder] = &[
    #[cfg(feature = "config")]
    config::add,
    #[cfg(feature = "cli")]
    cli::add,
    #[cfg(feature = "observability")]
    observability::add,
    #[cfg(feature = "admin")]
    admin::add,
    #[cfg(feature = "client")]
    client::add,
    #[cfg(any(feature = "ipc", feature = "process-pool"))]
    ipc::add,
    #[cfg(all(feature = "http", feature = "observability"))]
    observed::add,
    #[cfg(feature = "http")]
    http::add,
];

pub(crate) fn add(builder: AppBuilder) -> AppBuilder {
    LAYERS.iter().fold(builder, |builder, add| add(builder))
}
