use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, uri::PathAndQuery};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::{CutRequest, state::ConnectionState};
use crate::drain::DrainStage;

/// A request in flight, counted until its response has been handed over to the last byte.
#[derive(Debug)]
pub(crate) struct InFlight {
    connection: Arc<ConnectionState>,
    method: Method,
    path: Option<PathAndQuery>,
    started: Instant,
    complete: bool,
}

/// A request's body. Notes on its connection when it is dropped before its end.
pub(crate) struct RequestBody {
    inner: Incoming,
    connection: Arc<ConnectionState>,
}

pin_project! {
    /// A response's body, and the request that it belongs to.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        inner: B,
        request: InFlight,
    }
}

// ===== impl InFlight =====

impl InFlight {
    pub(crate) fn new<B>(connection: &Arc<ConnectionState>, request: &Request<B>) -> Self {
        let started = connection.request_started(request.version() == http::Version::HTTP_2);
        Self {
            connection: Arc::clone(connection),
            method: request.method().clone(),
            path: request.uri().path_and_query().cloned(),
            started,
            complete: false,
        }
    }

    pub(crate) fn connection(&self) -> &ConnectionState {
        &self.connection
    }

    fn report_cut(&self, now: Instant) {
        let cut = CutRequest {
            method: self.method.clone(),
            path: self.path.as_ref().map_or("", PathAndQuery::path).to_owned(),
            age: now - self.started,
        };
        tracing::warn!(
            method = %cut.method, path = cut.path, age = ?cut.age,
            "a request was cut off: the time to finish it is over",
        );
        self.connection.traffic().cut(cut);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = Instant::now();
        if !self.complete && self.connection.traffic().stage() == DrainStage::Force {
            self.report_cut(now);
        }
        self.connection.request_ended(now);
    }
}

// ===== impl RequestBody =====

impl RequestBody {
    pub(crate) fn new(inner: Incoming, connection: Arc<ConnectionState>) -> Self {
        Self { inner, connection }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.inner.is_end_stream() {
            self.connection.body_left_unread();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

// ===== impl ResponseBody =====

impl<B> ResponseBody<B> {
    pub(crate) fn new(inner: B, mut request: InFlight) -> Self
    where
        B: Body,
    {
        request.complete = inner.is_end_stream();
        Self { inner, request }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = this.inner.as_mut().poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || this.inner.is_end_stream() {
            this.request.complete = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
