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
use http_body::Body as _;
use tower::Service;
use tracing::Span;

use super::{
    BodyTooLarge, RequestId,
    body::{LimitedBody, Received},
    future::{Inner, OnItsWay, StackFuture},
    layer::Shared,
    observer::{Observation, known},
    routes::RouteName,
};
use crate::{extract::patience, link::RequestLink};

/// [`Stack`](super::Stack) around a service.
#[derive(Clone, Debug)]
pub struct StackService<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// What becomes of a request's body.
enum Admission {
    /// It is small enough, and says so.
    Known(u64),
    /// It has to be counted while it comes in.
    Counted(Received),
    /// It is too large, and says so.
    Refused(BodyTooLarge),
}

impl<S> StackService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    fn admit(&self, request: &mut Request) -> Admission {
        let limit = self.shared.limits.body_limit;
        let size = request.body().size_hint();
        if size.lower() > limit {
            return Admission::Refused(BodyTooLarge { limit });
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

    /// A span if anybody wants one, and the route if it was needed for that.
    fn span(&self, request: &Request, id: &RequestId) -> (Span, Option<RouteName>) {
        if !tracing::enabled!(tracing::Level::INFO) {
            return (Span::none(), None);
        }
        let route = self.shared.names.find(request);
        let span = tracing::info_span!(
            "request",
            method = known(request.method()),
            route = route.as_str(),
            request_id = id.as_str(),
        );
        (span, Some(route))
    }
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
        let id = self.shared.ids.identify(request.headers_mut());
        let (span, route) = self.span(&request, &id);
        let mut observation = self.shared.observer.as_ref().map(|observer| {
            let route = route.unwrap_or_else(|| self.shared.names.find(&request));
            Observation::start(observer, request.method(), route)
        });
        let limit = self.shared.limits.request_timeout;
        let timeout = patience(request.headers()).map_or(limit, |patience| patience.min(limit));
        RequestLink::limit(request.extensions_mut(), timeout);
        let mut counted = None;
        let inner = match self.admit(&mut request) {
            Admission::Refused(too_large) => {
                Inner::Answered { response: Box::new(too_large.problem().into_response()) }
            }
            admitted => {
                match (admitted, &mut observation) {
                    (Admission::Known(size), Some(observation)) => observation.request_bytes = size,
                    (Admission::Counted(received), _) => {
                        counted = Some((received, self.shared.limits.body_limit));
                    }
                    _ => {}
                }
                Inner::Calling { future: span.in_scope(|| self.inner.call(request)) }
            }
        };
        StackFuture::new(inner, OnItsWay { id, span, observation, timeout, counted })
    }
}
