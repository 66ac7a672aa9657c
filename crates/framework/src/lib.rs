//! One crate to build an application on: modules, injection, configuration, HTTP, operations.

#![deny(missing_docs)]

mod app;
#[cfg(feature = "di")]
pub mod di;
mod layers;
pub mod prelude;

#[cfg(feature = "http")]
pub use axum;
#[cfg(feature = "admin")]
pub use framework_admin as admin;
#[cfg(feature = "cli")]
pub use framework_cli as cli;
#[cfg(feature = "config")]
pub use framework_config as config;
pub use framework_core as core;
#[cfg(feature = "http")]
pub use framework_http as http;
#[cfg(feature = "observability")]
pub use framework_observability as observability;
pub use framework_registry as registry;
#[cfg(feature = "testing")]
pub use framework_testing as testing;

pub use self::app::App;
pub use framework_app::{
    AppBuilder, AppError, Budgets, Failure, Graph, PlanError, ReadyApp, RunError, RunningApp,
    StartReport,
};
