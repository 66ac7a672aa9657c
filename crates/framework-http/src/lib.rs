//! An HTTP server that modules give routes to, and that drains without losing a request.
//!
//! * [`Server`] accepts connections with a limit on every wait, and comes to its end in the steps
//!   of [`DrainStage`]. It serves any tower service.
//! * [`Stack`] goes around a router once: request ids, spans, metrics through a
//!   [`RequestObserver`], time and size limits, and [`Problem`] documents for whatever goes wrong.
//! * [`Json`], [`Query`], [`Path`] and [`Dep`] are extractors whose refusals are such documents.
//! * [`Probes`] answer `/livez`, `/readyz`, `/startupz` and `/health`.
//! * [`HttpModule`] brings all of this to an application; [`HttpExt`] lets each module contribute
//!   routes and middleware. Routes that collide are found before anything starts.
//!
//! Handlers are plain axum handlers.
//!
//! # Examples
//!
//! ```
//! use axum::{Router, routing::get};
//! use framework_core::module_fn;
//! use framework_http::{HttpExt, Path, Problem};
//!
//! async fn show(Path(id): Path<u64>) -> Result<String, Problem> {
//!     if id == 7 { Ok("seven".to_owned()) } else { Err(Problem::not_found()) }
//! }
//!
//! let numbers = module_fn("numbers", |reg| {
//!     reg.routes_with(Router::new().route("/numbers/{id}", get(show)), |_cx| Ok(()));
//! });
//! # let _ = numbers;
//! ```

#![deny(missing_docs)]

mod drain;
mod server;

mod problem;

mod extract;
mod probes;
mod stack;

pub mod codes;
mod handle;
mod middleware;
mod module;
mod request_scope;
mod routes;
mod settings;

pub use self::{
    drain::{DrainControl, DrainMachine, DrainOrder, DrainSignal, DrainStage, DrainTimes, drain},
    extract::{Dep, Json, Path, Query},
    handle::HttpHandle,
    middleware::{Middleware, MiddlewareStage},
    module::{CutOff, HttpExt, HttpModule},
    probes::{Probes, Readiness},
    problem::{FieldError, Problem},
    request_scope::RequestScope,
    routes::{AssembleError, RouteEntry, Routes},
    server::{AcceptBackoff, BindError, CutRequest, ServeReport, Server, ServerSettings, Traffic},
    settings::HttpSettings,
    stack::{
        BodyTooLarge, RequestId, RequestObserver, RequestRecord, Stack, StackFuture, StackLayer,
        StackService,
    },
};
