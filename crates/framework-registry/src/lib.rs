//! Turns the declarations of modules into a [`Plan`], or into everything that is wrong with them.
//!
//! Planning is pure: it runs the modules' `register` and nothing else, so it takes milliseconds and
//! can be part of every test run. The same modules give the same plan, whatever the hash seeds: the
//! order is that of registration wherever no relation says otherwise.
//!
//! * [`Plan::new`] checks that the modules fit together: names, [requirements and
//!   versions](framework_core::Registrar::requires), cycles, providers, captive values, unclaimed
//!   contributions, and the [gates](framework_core::Registrar::gate) of the layers.
//! * [`PlanError`] has one [`Issue`](framework_core::Issue) for each mistake, with places and cures;
//!   every code has its page in [`CODES`](codes::CODES).
//! * [`Graph`] is the plan for people and tools: as text, Mermaid, DOT, JSON or SVG.
//!
//! # Examples
//!
//! ```
//! use framework_core::{BoxModule, module_fn};
//! use framework_registry::Plan;
//!
//! let error = Plan::new([BoxModule::new(module_fn("orders", |reg| {
//!     reg.need::<u16>();
//! }))])
//! .unwrap_err();
//! assert!(error.to_string().starts_with("error[E0301]: nothing provides `u16`"));
//! ```

#![deny(missing_docs)]

mod captive;
pub mod codes;
mod cycle;
mod edge;
mod error;
mod export;
mod graph;
mod hash;
mod order;
mod plan;
mod relations;
mod suggest;
mod values;

pub use self::{
    edge::Reason,
    error::PlanError,
    export::{Format, UnknownFormat},
    graph::{Graph, ModuleNode, ValueNode, Wait},
    plan::{Plan, PlanParts, PlannedModule},
};
