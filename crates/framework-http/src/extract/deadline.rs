use std::{convert::Infallible, time::Duration};

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};
use tokio::time::Instant;

use crate::link::RequestLink;

/// How long whoever sent a request waits for its answer, in milliseconds.
pub(crate) const X_REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// When a request's time is over, after which nobody waits for its answer: what the handler does on
/// its behalf should not take longer.
///
/// It is the time limit of the [`Stack`](crate::Stack), or a sooner one that the client has sent in
/// `x-request-timeout-ms`. A handler that calls another application sends on what is
/// [left](Self::header).
///
/// # Examples
///
/// ```
/// use framework_http::{Deadline, Problem};
/// use tokio::time::timeout_at;
///
/// async fn answer(deadline: Deadline) -> Result<String, Problem> {
///     let slow = async { "42".to_owned() };
///     match deadline.instant() {
///         Some(moment) => timeout_at(moment, slow).await.map_err(|_| Problem::unavailable()),
///         None => Ok(slow.await),
///     }
/// }
/// # let _ = answer;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// A deadline at `moment`; `None` for a request that may take any time.
    #[must_use]
    pub fn at(moment: Option<Instant>) -> Self {
        Self(moment)
    }

    /// The moment; `None` if there is no limit.
    #[must_use]
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// How long is left; zero once the time is over, `None` if there is no limit.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.0.map(|moment| moment.saturating_duration_since(Instant::now()))
    }

    /// What is left, as a header for requests that are sent on the request's behalf.
    #[must_use]
    pub fn header(self) -> Option<(HeaderName, HeaderValue)> {
        let left = u64::try_from(self.left()?.as_millis()).unwrap_or(u64::MAX);
        Some((X_REQUEST_TIMEOUT_MS, HeaderValue::from(left)))
    }
}

/// How long the sender of a request waits, if it says so; what makes no sense is not said.
pub(crate) fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(X_REQUEST_TIMEOUT_MS)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_millis)
}

impl<S: Send + Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().and_then(RequestLink::deadline)))
    }
}
