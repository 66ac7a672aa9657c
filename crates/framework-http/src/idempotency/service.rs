use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use framework_core::Chain;
use futures_util::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};
use tower::{Service, ServiceExt as _};

use super::{Claim, ClaimId, Fingerprint, IdempotencyLayer, IdempotencyStore, StoredResponse};
use crate::{Problem, extract::read_body};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_KEY: usize = 255;

/// [`IdempotencyLayer`] around a service.
#[derive(Debug)]
pub struct Idempotency<S, T> {
    pub(super) inner: S,
    pub(super) layer: IdempotencyLayer<T>,
}

type Watched = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// A request on its way: as it is without a key, boxed with one.
pub type IdempotencyFuture<F> = Either<F, Watched>;

/// A claim that is given up unless the response is kept: also when the handler panics, or when
/// its client is gone.
struct Held<T: IdempotencyStore> {
    store: Arc<T>,
    key: String,
    claim: ClaimId,
    kept: bool,
}

impl<S: Clone, T> Clone for Idempotency<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, T> Service<Request> for Idempotency<S, T>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    T: IdempotencyStore,
{
    type Response = Response;
    type Error = Infallible;
    type Future = IdempotencyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let looked_at = matches!(*request.method(), Method::POST | Method::PATCH);
        if !looked_at || !request.headers().contains_key(KEY) {
            return Either::Left(self.inner.call(request));
        }
        // The one that is ready is for this request; its clone is for the next.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Either::Right(Box::pin(async move {
            let once = once(layer, inner, request).await;
            Ok(once.unwrap_or_else(|problem| problem.into_response()))
        }))
    }
}

/// Answers a request that has a key.
async fn once<S, T>(
    layer: IdempotencyLayer<T>,
    inner: S,
    request: Request,
) -> Result<Response, Problem>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    T: IdempotencyStore,
{
    let key = key(request.headers())?;
    let (parts, body) = request.into_parts();
    let (head, body) = (parts.clone(), read_body(Request::from_parts(parts, body)).await?);
    let print = fingerprint(&head, &body);
    let claimed = layer.store.claim(&key, print, layer.lease).await.map_err(|error| {
        let detail = "whether the request has been done before cannot be told now";
        Problem::unavailable().detail(detail).cause(error)
    })?;
    let claim = match claimed {
        Claim::New(claim) => claim,
        Claim::Done(response) => return Ok(replay(response)),
        Claim::InProgress => {
            return Err(Problem::conflict()
                .detail("the same request is being done right now")
                .header(header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        Claim::Mismatch => {
            return Err(Problem::unprocessable()
                .detail("the `idempotency-key` has been used for another request"));
        }
    };
    let held = Held { store: Arc::clone(&layer.store), key, claim, kept: false };
    let Ok(response) = inner.oneshot(Request::from_parts(head, Body::from(body))).await;
    held.keep(response, layer.max_response_bytes).await
}

fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let text = headers.get(KEY).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || !(1..=MAX_KEY).contains(&text.len()) {
        let detail = format!("the `idempotency-key` must be 1 to {MAX_KEY} visible characters");
        return Err(Problem::bad_request().detail(detail));
    }
    Ok(text.to_owned())
}

fn fingerprint(head: &http::request::Parts, body: &[u8]) -> Fingerprint {
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let sender = head.headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    let mut hash = Sha256::new();
    // Each part with its length: or the end of one could be taken for the start of the next.
    for part in [head.method.as_str().as_bytes(), target.as_bytes(), sender, body] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    Fingerprint(hash.finalize().into())
}

fn replay(stored: StoredResponse) -> Response {
    let mut response = Response::new(Body::from(stored.body));
    *response.status_mut() = stored.status;
    *response.headers_mut() = stored.headers;
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

impl<T: IdempotencyStore> Held<T> {
    async fn keep(mut self, response: Response, max_bytes: u64) -> Result<Response, Problem> {
        let size = response.body().size_hint().exact();
        if response.status().is_server_error() || size.is_none_or(|size| size > max_bytes) {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(Problem::internal)?.to_bytes();
        let stored = StoredResponse {
            status: parts.status,
            headers: parts.headers.clone(),
            body: body.clone(),
        };
        // It has been done: whatever comes now, it must not be done again.
        self.kept = true;
        if let Err(error) = self.store.complete(&self.key, self.claim, stored).await {
            tracing::error!(error = %Chain(&*error), "a response cannot be kept");
        }
        Ok(Response::from_parts(parts, Body::from(body)))
    }
}

impl<T: IdempotencyStore> Drop for Held<T> {
    fn drop(&mut self) {
        if !self.kept {
            self.store.release(&self.key, self.claim);
        }
    }
}
