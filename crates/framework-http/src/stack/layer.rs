use std::{ops::Deref, sync::Arc};

use tower::Layer;

use super::{
    Limits, Stack, StackService, observer::SharedObserver, request_id::RequestIds,
    routes::RouteNames, shedding::Shedding,
};

/// [`Stack`](super::Stack) as a layer; cheap to clone, as a router does for every route.
#[derive(Clone, Debug)]
pub struct StackLayer {
    shared: Arc<Shared>,
}

/// What one connection has of the stack, for its requests to hold on to: counting who holds on to
/// what all share would slow every processor down.
#[derive(Debug)]
pub(super) struct Own {
    shared: Arc<Shared>,
}

impl Own {
    pub(super) fn of(shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { shared: Arc::clone(shared) })
    }

    /// The same for another connection.
    pub(super) fn another(&self) -> Arc<Self> {
        Self::of(&self.shared)
    }
}

impl Deref for Own {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) observer: Option<SharedObserver>,
    pub(super) shedding: Shedding,
    pub(super) ids: RequestIds,
    pub(super) names: RouteNames,
}

impl StackLayer {
    pub(super) fn new(stack: Stack, names: RouteNames) -> Self {
        let Stack { limits, observer, shedding } = stack;
        let ids = RequestIds::new();
        Self { shared: Arc::new(Shared { limits, observer, shedding, ids, names }) }
    }
}

impl<S> Layer<S> for StackLayer {
    type Service = StackService<S>;

    fn layer(&self, inner: S) -> StackService<S> {
        StackService::new(inner, Own::of(&self.shared))
    }
}
