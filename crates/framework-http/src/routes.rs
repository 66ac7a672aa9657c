//! The routes that modules contribute, and what they look like together.

use std::fmt;

use axum::{Extension, Router};
use framework_core::{BoxError, Context, Contribution, Order, Priority};
use framework_di::ScopeFactory;

mod assemble;
mod conflict;
mod inspect;
mod path;
mod priority;
mod table;

pub use self::{assemble::AssembleError, table::RouteEntry};
pub(crate) use self::{
    assemble::assemble,
    conflict::issues,
    inspect::{paths, shown},
    priority::{Priorities, priorities},
    table::table,
};

use self::inspect::Inspected;
use crate::request_scope::Opener;

type BuildRouter = Box<dyn Fn(&Context) -> Result<Router, BoxError> + Send + Sync>;

/// The routes of one module, with their state still to be built.
pub struct Routes {
    inspected: Option<Inspected>,
    priority: Priority,
    build: BuildRouter,
}

impl Routes {
    /// The routes of `router`, whose state `build_state` makes once when the server starts.
    pub fn new<S>(
        router: Router<S>,
        build_state: impl Fn(&Context) -> Result<S, BoxError> + Send + Sync + 'static,
    ) -> Self
    where
        S: Clone + Send + Sync + 'static,
    {
        let inspected = inspect::inspect(&router);
        let build = move |cx: &Context| Ok(router.clone().with_state(build_state(cx)?));
        Self::inspected_as(inspected, build)
    }

    /// As [`new`](Self::new), with a scope for each request.
    pub(crate) fn in_scope<S>(
        router: Router<S>,
        build: impl Fn(&Context) -> Result<(S, ScopeFactory), BoxError> + Send + Sync + 'static,
    ) -> Self
    where
        S: Clone + Send + Sync + 'static,
    {
        let inspected = inspect::inspect(&router);
        let build = move |cx: &Context| {
            let (state, scopes) = build(cx)?;
            Ok(router.clone().with_state(state).layer(Extension(Opener(scopes))))
        };
        Self::inspected_as(inspected, build)
    }

    /// The routes of a router that is known only when the server starts. What collides with them
    /// is found then.
    #[cfg(feature = "openapi")]
    pub(crate) fn at_start(
        build: impl Fn(&Context) -> Result<Router, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self::inspected_as(Some(Inspected::default()), build)
    }

    fn inspected_as(
        inspected: Option<Inspected>,
        build: impl Fn(&Context) -> Result<Router, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self { inspected, priority: Priority::default(), build: Box::new(build) }
    }

    /// Sets how much depends on requests for these routes, for when not all can be answered.
    /// Defaults to [`Priority::Normal`].
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// What the router says of itself; `None` if it says it in a way that is not understood.
    fn inspected(&self) -> Option<&Inspected> {
        self.inspected.as_ref()
    }

    fn build(&self, cx: &Context) -> Result<Router, BoxError> {
        (self.build)(cx)
    }
}

impl Contribution for Routes {
    const KIND: &'static str = "http routes";
    // The server opens when every module with routes has started, and closes before any stops.
    const ORDER: Order = Order::CollectorLast;
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("inspected", &self.inspected).finish_non_exhaustive()
    }
}
