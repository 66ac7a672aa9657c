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
use tokio::time::Instant;
use tower::{Service, ServiceExt as _, util::Oneshot};

use super::{
    body::{InFlight, RequestBody, ResponseBody},
    connection::Setting,
    state::ConnectionState,
};
use crate::{finish, link::RequestLink};

/// Between the protocol and the application: counts each request, and tells clients when to leave.
pub(crate) struct ConnectionService<S> {
    // The task of the connection alone calls it.
    inner: RefCell<S>,
    connection: Arc<ConnectionState>,
    peer: Option<SocketAddr>,
    setting: Arc<Setting>,
}

pub(crate) struct ConnectionFuture<S: Service<Request<Body>>> {
    inner: Calling<S>,
    version: Version,
    request: Option<InFlight>,
    first: bool,
}

// Boxed: the protocol moves the future twice before it is polled, which takes longer than to have a
// box, and keeps room for one as long as the connection lives.
enum Calling<S: Service<Request<Body>>> {
    Called(Pin<Box<S::Future>>),
    Waiting(Pin<Box<Oneshot<S, Request<Body>>>>),
}

/// What a server has answer its requests.
pub(crate) trait Application:
    Service<
        Request<Body>,
        Response = Response<Self::Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    type Body: http_body::Body<Data = bytes::Bytes, Error: Into<axum::BoxError>> + Send + 'static;
}

impl<S, B> Application for S
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Body = B;
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
        // In parts up to where the service takes it: a request is large, and each function that it
        // goes through would copy it.
        let (mut parts, body) = request.into_parts();
        let in_flight = InFlight::new(&self.connection, &parts);
        let version = parts.version;
        let extensions = self.extensions(in_flight.started());
        let of_protocol = std::mem::replace(&mut parts.extensions, extensions);
        if !of_protocol.is_empty() {
            parts.extensions.extend(of_protocol);
        }
        let body = self.body(body);
        let mut service = self.inner.borrow_mut();
        let inner = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                Calling::Called(Box::pin(service.call(Request::from_parts(parts, body))))
            }
            // Asked again by the other future, which then has somebody to wake.
            _ => {
                let service = service.clone();
                Calling::Waiting(Box::pin(service.oneshot(Request::from_parts(parts, body))))
            }
        };
        ConnectionFuture { inner, version, request: Some(in_flight), first }
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

impl<S: Service<Request<Body>>> Calling<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Response, S::Error>> {
        match self {
            Self::Called(future) => future.as_mut().poll(cx),
            Self::Waiting(future) => future.as_mut().poll(cx),
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
        let this = self.get_mut();
        finish::forget();
        let Ok(mut response) = ready!(this.inner.poll(cx));
        let request = this.request.take().expect("a future is not polled after it has completed");
        if let Some(at) = finish::take() {
            request.connection().answered(at);
        }
        if this.version < Version::HTTP_2 {
            let connection = request.connection();
            if connection.sends_away() {
                send_away(response.headers_mut());
            } else if this.first {
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

#[cfg(test)]
mod tests;
