//! What modules put around the routes of all modules.

use std::{convert::Infallible, fmt};

use axum::{Router, extract::Request, response::IntoResponse, routing::Route};
use framework_core::{Contributed, Contribution, Order};
use tower::{Layer, Service};

type Wrap = Box<dyn Fn(Router) -> Router + Send + Sync>;

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
        Self { stage, wrap: Box::new(move |router| router.layer(layer.clone())) }
    }

    pub(crate) fn wrap(router: Router, all: &[Contributed<Self>]) -> Router {
        let mut ordered: Vec<_> = all.iter().map(Contributed::item).collect();
        ordered.sort_by_key(|middleware| middleware.stage);
        // A layer goes around what is there, so the innermost comes first.
        ordered.iter().rev().fold(router, |router, middleware| (middleware.wrap)(router))
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
