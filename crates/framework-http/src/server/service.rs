use std::{
    cell::RefCell,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo};
use http::{
    Extensions, HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, HeaderMap},
};
use http_body::Body as _;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Service, ServiceExt as _, util::Oneshot};

use super::{
    body::{InFlight, RequestBody, ResponseBody},
    connection::Setting,
    state::ConnectionState,
};
use crate::link::RequestLink;

/// Between the protocol and the application: counts each request, and tells clients when to leave.
pub(crate) struct ConnectionService<S> {
    // The task of the connection alone calls it.
    inner: RefCell<S>,
    connection: Arc<ConnectionState>,
    peer: Option<SocketAddr>,
    setting: Arc<Setting>,
}

pin_project! {
    pub(crate) struct ConnectionFuture<S: Service<Request<Body>>> {
        #[pin]
        inner: Calling<S>,
        version: Version,
        request: Option<InFlight>,
        first: bool,
    }
}

pin_project! {
    // Futures are moved before they are polled, and a request is large. So the common case, a
    // service that is always ready, holds no request.
    #[project = CallingProjection]
    enum Calling<S: Service<Request<Body>>> {
        Called { #[pin] future: S::Future },
        Waiting { future: Pin<Box<Oneshot<S, Request<Body>>>> },
    }
}

impl<S> ConnectionService<S> {
    pub(crate) fn new(
        inner: S,
        connection: Arc<ConnectionState>,
        peer: Option<SocketAddr>,
        setting: &Arc<Setting>,
    ) -> Self {
        Self { inner: RefCell::new(inner), connection, peer, setting: Arc::clone(setting) }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for ConnectionService<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = bytes::Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Infallible;
    type Future = ConnectionFuture<S>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // The promise is made once a connection: with every response, it would cost more than it
        // tells.
        let first = !self.connection.is_used();
        let in_flight = InFlight::new(&self.connection, &request);
        let version = request.version();
        let mut request = request.map(|body| self.body(body));
        let extensions = self.extensions(in_flight.started());
        let of_protocol = std::mem::replace(request.extensions_mut(), extensions);
        if !of_protocol.is_empty() {
            request.extensions_mut().extend(of_protocol);
        }
        ConnectionFuture {
            inner: Calling::new(&self.inner, request),
            version,
            request: Some(in_flight),
            first,
        }
    }
}

impl<S> ConnectionService<S> {
    /// What the request has with it when it comes to the application.
    fn extensions(&self, started: Instant) -> Extensions {
        let mut extensions = self.setting.extensions.clone();
        extensions.insert(RequestLink::new(&self.connection, started));
        if let Some(peer) = self.peer {
            extensions.insert(ConnectInfo(peer));
        }
        extensions
    }

    // Most requests have no body, and an empty one costs nothing to box.
    fn body(&self, body: Incoming) -> Body {
        if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(RequestBody::new(body, Arc::clone(&self.connection)))
        }
    }
}

impl<S: Service<Request<Body>> + Clone> Calling<S> {
    fn new(service: &RefCell<S>, request: Request<Body>) -> Self {
        let mut service = service.borrow_mut();
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Self::Called { future: service.call(request) },
            // Asked again by the other future, which then has somebody to wake.
            _ => Self::Waiting { future: Box::pin(service.clone().oneshot(request)) },
        }
    }
}

impl<S: Service<Request<Body>>> Future for Calling<S> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            CallingProjection::Called { future } => future.poll(cx),
            CallingProjection::Waiting { future } => future.as_mut().poll(cx),
        }
    }
}

impl<S, B> Future for ConnectionFuture<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(cx));
        let request = this.request.take().expect("a future is not polled after it has completed");
        if *this.version < Version::HTTP_2 {
            let connection = request.connection();
            if connection.sends_away() {
                send_away(response.headers_mut());
            } else if *this.first {
                promise(response.headers_mut(), connection.settings().keep_alive);
            }
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            request.upgrade();
        }
        let (parts, body) = response.into_parts();
        let body = ResponseBody::new(body, &parts.headers, request);
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}

/// Takes a place among the extensions.
#[derive(Clone)]
struct Filler<const N: usize>;

/// Extensions that are copied for each request. A map that has had this many entries keeps its size
/// when it is copied, and does not grow while a request is routed.
pub(super) fn roomy() -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(Filler::<0>);
    extensions.insert(Filler::<1>);
    extensions.insert(Filler::<2>);
    extensions.insert(Filler::<3>);
    extensions.clear();
    extensions
}

fn send_away(headers: &mut HeaderMap) {
    // An upgrade needs its own `Connection: upgrade`.
    if headers.get(CONNECTION).is_none_or(|value| value != "upgrade") {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Promises a second less than what is kept: a request sent in time may travel for a while.
fn promise(headers: &mut HeaderMap, keep_alive: Duration) {
    let seconds = keep_alive.as_secs().saturating_sub(1);
    if seconds > 0
        && let Ok(value) = HeaderValue::try_from(format!("timeout={seconds}"))
    {
        headers.insert(HeaderName::from_static("keep-alive"), value);
    }
}
