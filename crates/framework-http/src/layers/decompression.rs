use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use framework_config::{ByteSize, Faults, Settings};
use http_body::Body as _;
use pin_project_lite::pin_project;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tower::{Layer, Service};
use tower_http::decompression::{RequestDecompression, RequestDecompressionLayer};

use super::layer_module;
use crate::{
    BodyTooLarge,
    stack::{LimitedBody, Received},
};

/// Compressed bodies of requests: section `decompression`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecompressionSettings {
    /// How large a body may become.
    pub max_size: ByteSize,
}

layer_module! {
    /// Takes requests whose bodies are compressed with gzip. A small body can unpack to an enormous
    /// one, so there is a limit on what comes out; more is a 413.
    DecompressionModule(DecompressionSettings) = "http-decompression", "decompression", Outer, |settings| Ok(settings.layer())
}

/// [`DecompressionSettings`] as a layer.
#[derive(Clone, Copy, Debug)]
pub struct DecompressionLayer {
    limit: u64,
}

/// Unpacks the bodies of requests, up to a limit.
pub type Decompression<S> = RequestDecompression<LimitedBodies<S>>;

/// Limits the bodies that come in, whatever they say of their size.
#[derive(Clone, Copy, Debug)]
pub struct LimitedBodies<S> {
    inner: S,
    limit: u64,
}

pin_project! {
    /// A request whose body is watched: an extractor that does not know why its body ended says so
    /// in words of its own, and this puts them right.
    #[must_use = "futures do nothing unless polled"]
    pub struct LimitedFuture<F> {
        #[pin]
        inner: F,
        unpacked: Option<(Received, u64)>,
    }
}

impl<F> std::fmt::Debug for LimitedFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LimitedFuture").finish_non_exhaustive()
    }
}

impl Default for DecompressionSettings {
    fn default() -> Self {
        Self { max_size: ByteSize::mib(8) }
    }
}

impl Settings for DecompressionSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.max_size.bytes() == 0 {
            faults.add("max_size", "must be more than 0 bytes");
        }
    }
}

impl DecompressionSettings {
    /// These settings as a tower layer.
    #[must_use]
    pub fn layer(&self) -> DecompressionLayer {
        DecompressionLayer { limit: self.max_size.bytes() }
    }
}

impl<S> Layer<S> for DecompressionLayer {
    type Service = Decompression<S>;

    fn layer(&self, inner: S) -> Decompression<S> {
        RequestDecompressionLayer::new().layer(LimitedBodies { inner, limit: self.limit })
    }
}

impl<S, B> Service<http::Request<B>> for LimitedBodies<S>
where
    S: Service<Request, Response = Response>,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = LimitedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let mut unpacked = None;
        let request = request.map(|body| {
            let body = Body::new(body);
            // Nothing was unpacked, and the stack has looked at its size.
            if body.size_hint().exact().is_some() {
                return body;
            }
            let (body, received) = LimitedBody::new(body, self.limit);
            unpacked = Some((received, self.limit));
            Body::new(body)
        });
        LimitedFuture { inner: self.inner.call(request), unpacked }
    }
}

impl<F, E> Future for LimitedFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(match this.unpacked {
            Some((received, limit)) if received.bytes() > *limit => {
                BodyTooLarge::of(*limit).problem().into_response()
            }
            _ => response,
        }))
    }
}
