use std::time::Duration;

use bytes::Bytes;
use framework_core::BoxError;
use http::{HeaderMap, StatusCode};

/// Remembers which requests have been done, and what was answered.
///
/// With several processes the store has to be one that they share, and `claim` has to be atomic
/// among them: of two equal requests that come at once, one is done.
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims `key` for a request, for as long as `lease`; by then it has been answered, or
    /// whoever was about to answer it is gone.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot tell. The request is then refused with a 503 and not
    /// done: it might be done twice.
    fn claim(
        &self,
        key: &str,
        fingerprint: Fingerprint,
        lease: Duration,
    ) -> impl Future<Output = Result<Claim, BoxError>> + Send;

    /// Keeps the response to the request that holds `claim`. Does nothing if the lease has run out
    /// and another request holds the key.
    ///
    /// # Errors
    ///
    /// Returns an error if the response cannot be kept. The client gets it all the same.
    fn complete(
        &self,
        key: &str,
        claim: ClaimId,
        response: StoredResponse,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Gives up a claim, so that the request can be sent again: it failed, or its client is gone.
    ///
    /// Called while futures are dropped, so it must not block. A store that would have to wait for
    /// something leaves it to the lease.
    fn release(&self, key: &str, claim: ClaimId);
}

/// What became of claiming a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Claim {
    /// The request is new, and to be done.
    New(ClaimId),
    /// The same request is being done right now.
    InProgress,
    /// Another request has used the key.
    Mismatch,
    /// The same request has been answered with this.
    Done(StoredResponse),
}

/// Tells the holder of a claim from one whose lease has run out. The store gives them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId(pub u64);

/// What two requests have in common exactly if they are the same: method, path, query, body, and
/// `authorization`, so that nobody gets the answer to the request of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// A response as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers that the handler set.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}
