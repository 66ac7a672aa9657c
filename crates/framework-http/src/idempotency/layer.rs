use std::{sync::Arc, time::Duration};

use tower::Layer;

use super::{Idempotency, IdempotencyStore};

/// Does each request with an `idempotency-key` once: sent again, it gets the answer that it got
/// the first time, with `idempotency-replayed: true`.
///
/// It looks at `POST` and `PATCH`, and goes on the routes that need it. While the first is being
/// done, the same request gets a 409; another request with the same key gets a 422. Answers with a
/// 5xx status are not kept, and neither are streams.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::post};
/// use framework_http::{IdempotencyLayer, MemoryIdempotencyStore};
///
/// let orders: Router = Router::new()
///     .route("/orders", post(async || "order 1"))
///     .layer(IdempotencyLayer::new(MemoryIdempotencyStore::new()));
/// # let _ = orders;
/// ```
#[derive(Debug)]
pub struct IdempotencyLayer<T> {
    pub(super) store: Arc<T>,
    pub(super) lease: Duration,
    pub(super) max_response_bytes: u64,
}

impl<T: IdempotencyStore> IdempotencyLayer<T> {
    /// A layer that remembers in `store`.
    #[must_use]
    pub fn new(store: T) -> Self {
        Self::shared(Arc::new(store))
    }

    /// A layer that remembers in a store which others use as well.
    #[must_use]
    pub fn shared(store: Arc<T>) -> Self {
        Self { store, lease: Duration::from_secs(60), max_response_bytes: 1 << 20 }
    }

    /// Sets after how long a request that was neither answered nor given up may be sent again.
    /// Longer than any request takes. Defaults to 60 s.
    #[must_use]
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time;
        self
    }

    /// Sets how large a response may be to be kept, in bytes. Defaults to 1 MiB.
    #[must_use]
    pub fn max_response_bytes(mut self, limit: u64) -> Self {
        self.max_response_bytes = limit;
        self
    }
}

impl<T> Clone for IdempotencyLayer<T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), ..*self }
    }
}

impl<S, T> Layer<S> for IdempotencyLayer<T> {
    type Service = Idempotency<S, T>;

    fn layer(&self, inner: S) -> Idempotency<S, T> {
        Idempotency { inner, layer: self.clone() }
    }
}
