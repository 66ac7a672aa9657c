use std::{convert::Infallible, future::Future, time::Duration};

use axum::extract::FromRequestParts;
use framework_core::{CurrentRequest, Key, Registrar};
use framework_di::{Inject, InjectError, Resolver};
use http::{HeaderName, HeaderValue, request::Parts};
use tokio::time::{Instant, timeout_at};

use crate::{Problem, link::RequestLink};

/// How long whoever sent a request waits for its answer, in milliseconds.
pub(crate) const X_REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// When a request's time is over, after which nobody waits for its answer: what the handler does on
/// its behalf should not take longer.
///
/// It is the time limit of the [`Stack`](crate::Stack), or a sooner one that the client has sent in
/// `x-request-timeout-ms`. Code that a handler calls finds it with [`current`](Self::current), so
/// it need not be handed down; calls of the framework's HTTP client do so by themselves and send
/// on what is left. Who makes requests otherwise sends [`header`](Self::header).
///
/// # Examples
///
/// ```
/// use framework_http::{Deadline, DeadlineExceeded};
///
/// async fn from_database(id: u64) -> String {
///     format!("row {id}")
/// }
///
/// async fn find(id: u64) -> Result<String, DeadlineExceeded> {
///     Deadline::current().limit(from_database(id)).await
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// assert_eq!(find(7).await.as_deref(), Ok("row 7"));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

/// The time of the request on whose behalf something was done is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time of the request is over")]
pub struct DeadlineExceeded;

/// Nobody is at fault who could do better by another request: a 503, as the stack answers as well.
impl From<DeadlineExceeded> for Problem {
    fn from(error: DeadlineExceeded) -> Self {
        Self::unavailable().detail(error.to_string())
    }
}

impl Deadline {
    /// The deadline of the request that this code works on; none outside of requests, and in tasks
    /// of their own: what is spawned for a request takes the deadline along.
    #[must_use]
    pub fn current() -> Self {
        let outgoing = CurrentRequest::outgoing();
        Self(outgoing.and_then(|request| request.deadline).map(Instant::from_std))
    }

    /// Waits for `work`, and gives it up when the time is over: it is dropped, and with it what it
    /// holds. Work that is asked for after the deadline is not begun.
    ///
    /// # Errors
    ///
    /// Returns an error if the time is over before the work is done.
    ///
    /// # Cancel safety
    ///
    /// That of `work`.
    pub async fn limit<F: Future>(self, work: F) -> Result<F::Output, DeadlineExceeded> {
        match self.0 {
            None => Ok(work.await),
            Some(moment) if moment <= Instant::now() => Err(DeadlineExceeded),
            Some(moment) => timeout_at(moment, work).await.map_err(|_| DeadlineExceeded),
        }
    }

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
pub(crate) fn patience(sent: &HeaderValue) -> Option<Duration> {
    sent.to_str().ok()?.parse().ok().map(Duration::from_millis)
}

impl<S: Send + Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().and_then(RequestLink::deadline)))
    }
}

/// For values of a request's scope, which are made while the request is handled. What lives longer
/// than a request has no deadline, and is refused when it asks for one.
impl Inject for Deadline {
    type Needs = ();

    fn declare(_reg: &mut Registrar<'_>) -> Self::Needs {}

    fn resolve((): &Self::Needs, from: &Resolver<'_>) -> Result<Self, InjectError> {
        match from.scope() {
            Some(_) => Ok(Self::current()),
            None => Err(InjectError::Unseeded { wanted: Key::of::<Self>() }),
        }
    }
}
