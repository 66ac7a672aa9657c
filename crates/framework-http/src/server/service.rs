use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
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
use tower::{Service, ServiceExt as _, util::Oneshot};

use super::{
    body::{InFlight, RequestBody, ResponseBody},
    state::ConnectionState,
};
use crate::link::RequestLink;

/// Between the protocol and the application: counts each request, and tells clients when to leave.
#[derive(Debug)]
pub(crate) struct ConnectionService<S> {
    // One task at a time calls it, so nobody ever waits for the lock.
    inner: Mutex<S>,
    connection: Arc<ConnectionState>,
    // With the peer, and room for what the router puts there.
    extensions: Extensions,
    keep_alive: Option<HeaderValue>,
}

pin_project! {
    pub(crate) struct ConnectionFuture<S: Service<Request<Body>>> {
        #[pin]
        inner: Calling<S>,
        version: Version,
        request: Option<InFlight>,
        keep_alive: Option<HeaderValue>,
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
    ) -> Self {
        let keep_alive = keep_alive_header(connection.settings().keep_alive);
        let extensions = extensions(&connection, peer);
        Self { inner: Mutex::new(inner), connection, extensions, keep_alive }
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
        // Said once a connection: said with every response, it would cost more than it tells.
        let first = !self.connection.is_used();
        let in_flight = InFlight::new(&self.connection, &request);
        let version = request.version();
        let mut request = request.map(|body| self.body(body));
        let of_protocol = std::mem::replace(request.extensions_mut(), self.extensions.clone());
        if !of_protocol.is_empty() {
            request.extensions_mut().extend(of_protocol);
        }
        RequestLink::begin(request.extensions_mut(), in_flight.started());
        ConnectionFuture {
            inner: Calling::new(&self.inner, request),
            version,
            request: Some(in_flight),
            keep_alive: first.then(|| self.keep_alive.clone()).flatten(),
        }
    }
}

impl<S> ConnectionService<S> {
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
    fn new(service: &Mutex<S>, request: Request<Body>) -> Self {
        // A panic within is the handler's, and leaves a service that others can use.
        let mut service = service.lock().unwrap_or_else(PoisonError::into_inner);
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
            let leave = request.connection().sends_away();
            say_how_long_to_stay(response.headers_mut(), leave, this.keep_alive.take());
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

/// What every request of a connection has. A map that has had this many entries keeps its size
/// when it is copied, and does not grow while a request is routed.
fn extensions(connection: &Arc<ConnectionState>, peer: Option<SocketAddr>) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(RequestLink::new(connection));
    let room = (Filler::<0>, Filler::<1>, Filler::<2>);
    extensions.insert(room.0);
    extensions.insert(room.1);
    extensions.insert(room.2);
    extensions.remove::<Filler<0>>();
    extensions.remove::<Filler<1>>();
    extensions.remove::<Filler<2>>();
    if let Some(peer) = peer {
        extensions.insert(ConnectInfo(peer));
    }
    extensions
}

fn say_how_long_to_stay(headers: &mut HeaderMap, leave: bool, keep_alive: Option<HeaderValue>) {
    if leave {
        // An upgrade needs its own `Connection: upgrade`.
        if headers.get(CONNECTION).is_none_or(|value| value != "upgrade") {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    } else if let Some(value) = keep_alive {
        headers.insert(HeaderName::from_static("keep-alive"), value);
    }
}

/// Promises a second less than what is kept: a request sent in time may travel for a while.
fn keep_alive_header(keep_alive: Duration) -> Option<HeaderValue> {
    let seconds = keep_alive.as_secs().checked_sub(1).filter(|&seconds| seconds > 0)?;
    HeaderValue::try_from(format!("timeout={seconds}")).ok()
}
