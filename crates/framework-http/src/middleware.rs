//! What modules put around the routes of all modules.

use std::{convert::Infallible, fmt};

use axum::{Router, extract::Request, response::IntoResponse, routing::Route};
use framework_core::{BoxError, Context, Contributed, Contribution, Order};
use tower::{Layer, Service};

type Wrap = Box<dyn Fn(&Context, Router) -> Result<Router, BoxError> + Send + Sync>;

/// Where in the stack a middleware stands. The default stack is outside of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MiddlewareStage {
    /// Sees every request first: compression, cross-origin rules.
    Outer,
    /// Finds out who sent the request, and refuses.
    Auth,
    /// Next to the handlers, and sees only what is allowed.
    Inner,
}

/// A tower layer around the routes of every module. Within a stage, the one that was contributed
/// first is the outermost.
pub struct Middleware {
    stage: MiddlewareStage,
    wrap: Wrap,
}

impl Middleware {
    /// A middleware at `stage`.
    pub fn new<L>(stage: MiddlewareStage, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self::built(stage, move |_| Ok(layer.clone()))
    }

    /// A middleware at `stage` that is built when the server starts: from settings, or from what
    /// modules provide.
    pub fn built<L, F>(stage: MiddlewareStage, build: F) -> Self
    where
        F: Fn(&Context) -> Result<L, BoxError> + Send + Sync + 'static,
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        let wrap = move |cx: &Context, router: Router| Ok(router.layer(build(cx)?));
        Self { stage, wrap: Box::new(wrap) }
    }

    /// Puts all of them around `router`; fails with the module whose middleware cannot be built.
    pub(crate) fn wrap(
        cx: &Context,
        router: Router,
        all: &[Contributed<Self>],
    ) -> Result<Router, (&'static str, BoxError)> {
        let mut ordered: Vec<_> = all.iter().collect();
        ordered.sort_by_key(|middleware| middleware.item().stage);
        // A layer goes around what is there, so the innermost comes first.
        ordered.iter().rev().try_fold(router, |router, middleware| {
            let wrapped = (middleware.item().wrap)(cx, router);
            wrapped.map_err(|error| (middleware.module(), error))
        })
    }
}

impl Contribution for Middleware {
    const KIND: &'static str = "http middleware";
    const ORDER: Order = Order::CollectorLast;
}

impl fmt::Debug for Middleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Middleware").field("stage", &self.stage).finish_non_exhaustive()
    }
}
