//! Runs a plan: starts modules by data flow, supervises what runs, and stops it in reverse.
//!
//! The states of an application are types, so a wrong step does not compile: an [`AppBuilder`]
//! becomes a [`ReadyApp`], which becomes a [`RunningApp`], which [stops](RunningApp::stop).
//!
//! * A module starts the moment that what it waits for has started; there is no barrier between
//!   levels. Each has a budget, within a total: see [`Budgets`].
//! * What starts is stopped, in reverse, within a limit: also after a failure, a panic, a deadline
//!   or an early request. Every error is kept: a [`RunError`] has the first cause and all that
//!   came after it.
//! * Units that end are restarted as their [policy](framework_core::Supervision) says, by the rules
//!   of Erlang/OTP; what cannot be restarted any more stops the application in order.
//! * [`StartReport`] says where the time went, and what the critical path was.
//!
//! # Examples
//!
//! ```
//! use framework_app::App;
//! use framework_core::{ShutdownReason, module_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let greeting = module_fn("greeting", |reg| {
//!     reg.provide(|_cx| async { Ok(String::from("hello")) });
//! });
//! let app = App::builder("doc").module(greeting).build()?.start().await?;
//! assert_eq!(app.get::<String>().as_deref().map(String::as_str), Some("hello"));
//! app.stop(ShutdownReason::Requested("the example is over".to_owned())).await?;
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod budgets;
mod builder;
mod clock;
pub mod codes;
mod failure;
mod planted;
mod probe;
mod report;
mod runner;
mod running;
mod spawner;
mod supervise;

#[cfg(feature = "planted-bugs")]
pub use self::planted::PlantedBug;
pub use self::{
    budgets::Budgets,
    builder::{App, AppBuilder, ReadyApp},
    clock::TokioClock,
    failure::{AppError, Failure, RunError, StartTimeout},
    probe::{Part, Point, Probe},
    report::{ModuleStart, StartReport},
    running::RunningApp,
};
pub use framework_registry::{Graph, Plan, PlanError};
