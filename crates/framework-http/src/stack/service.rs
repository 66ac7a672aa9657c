use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, Request},
    response::{IntoResponse as _, Response},
};
use framework_core::{REQUEST_TARGET, RequestContext, TraceParent};
use http::HeaderValue;
use http_body::Body as _;
use tokio::time::Instant;
use tower::Service;

use super::{
    BodyTooLarge, RequestId,
    body::{LimitedBody, Received},
    future::{Inner, OnItsWay, StackFuture, Surroundings},
    head::Head,
    layer::Own,
    observer::{Observation, known},
    routes::{LastRoute, RouteName},
    shedding::refusal,
};
use crate::{Problem, extract::patience, link::RequestLink};

/// [`Stack`](super::Stack) around a service.
#[derive(Clone, Debug)]
pub struct StackService<S> {
    inner: S,
    shared: Arc<Own>,
    last: LastRoute,
}

/// What becomes of a request's body.
enum Admission {
    /// It is small enough, and says so.
    Known(u64),
    /// It has to be counted while it comes in.
    Counted(Received),
    /// It is too large, and says so; or nobody has the time for it.
    Refused(Problem),
}

impl<S> StackService<S> {
    pub(super) fn new(inner: S, shared: Arc<Own>) -> Self {
        Self { inner, shared, last: LastRoute::default() }
    }

    /// A copy for a connection, whose requests disturb no other's.
    pub(crate) fn for_connection(&self) -> Self
    where
        S: Clone,
    {
        Self::new(self.inner.clone(), self.shared.another())
    }

    fn route(&mut self, request: &Request) -> RouteName {
        self.shared.names.find(request, &mut self.last, self.shared.observer.as_ref())
    }

    fn admit(&self, request: &mut Request) -> Admission {
        if self.shared.shedding.refuses(request) {
            return Admission::Refused(refusal());
        }
        let limit = self.shared.limits.body_limit;
        let size = request.body().size_hint();
        if size.lower() > limit {
            return Admission::Refused(BodyTooLarge { limit }.problem());
        }
        if request.body().is_end_stream() {
            return Admission::Known(0);
        }
        // The limit that axum has of its own would hide ours.
        DefaultBodyLimit::disable().apply(request);
        if let Some(size) = size.exact() {
            return Admission::Known(size);
        }
        let body = std::mem::take(request.body_mut());
        let (body, received) = LimitedBody::new(body, limit);
        *request.body_mut() = Body::new(body);
        Admission::Counted(received)
    }

    /// What the log is told of the request, a span where spans are looked at, and what requests
    /// take over that the handler sends to others.
    fn surroundings(
        request: &Request,
        route: &RouteName,
        id: &RequestId,
        deadline: Option<Instant>,
        trace: Option<TraceParent>,
    ) -> Surroundings {
        let method = known(request.method());
        let context = RequestContext::new(method, route.template(), id.text())
            .deadline(deadline.map(Instant::into_std))
            .trace(trace);
        let span = tracing::info_span!(
            target: REQUEST_TARGET,
            "request",
            method,
            route = route.as_str(),
            request_id = id.as_str(),
        );
        if span.is_disabled() {
            return Surroundings::Context(context);
        }
        Surroundings::Span(span, context.has_span())
    }
}

/// The trace that a request belongs to, if its client said so.
fn trace(sent: &HeaderValue) -> Option<TraceParent> {
    sent.to_str().ok()?.parse().ok()
}

impl<S> Service<Request> for StackService<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = StackFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let head = Head::of(request.headers());
        let id = self.shared.ids.identify(head.request_id);
        let limit = self.shared.limits.request_timeout;
        let timeout = head.timeout.and_then(patience).map_or(limit, |sent| sent.min(limit));
        let trace = head.traceparent.and_then(trace);
        let route = self.route(&request);
        let started = RequestLink::note(request.extensions_mut(), id.clone(), timeout);
        let deadline = started.checked_add(timeout);
        let mut surroundings = Self::surroundings(&request, &route, &id, deadline, trace);
        let mut observation = Observation::start(&self.shared, request.method(), route, started);
        let mut counted = None;
        match (self.admit(&mut request), &mut observation) {
            (Admission::Refused(problem), _) => {
                let inner = Inner::Answered { response: Box::new(problem.into_response()) };
                let refused = OnItsWay { id, surroundings, observation, timeout, counted };
                return StackFuture::new(inner, refused);
            }
            (Admission::Known(size), Some(observation)) => observation.request_bytes = size,
            (Admission::Counted(received), _) => {
                counted = Some((received, self.shared.limits.body_limit));
            }
            (Admission::Known(_), None) => {}
        }
        let entered = surroundings.enter();
        let future = self.inner.call(request);
        drop(entered);
        // Put together at the end and at once: a future is large, and would be copied on its way.
        let request = OnItsWay { id, surroundings, observation, timeout, counted };
        StackFuture::new(Inner::Calling { future }, request)
    }
}
