//! How a handler hears that the server asks its clients to leave.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::extract::FromRequestParts;
use futures_util::Stream;
use http::request::Parts;
use pin_project_lite::pin_project;

use crate::{DrainStage, Traffic, link::RequestLink};

/// Tells a handler when it should come to an end: what goes on for long, as a stream or a
/// WebSocket, would hold the shutdown up to its deadline and then be cut off.
///
/// It is given when the server becomes a lame duck. To a request that comes after that, it is given
/// when the server stops: its client may have had no other server to go to.
///
/// A response of type `text/event-stream` ends by itself, between two events.
///
/// # Examples
///
/// ```
/// use axum::{body::Body, response::IntoResponse};
/// use framework_http::ShutdownSignal;
/// use futures_util::stream;
///
/// async fn ticks(shutdown: ShutdownSignal) -> impl IntoResponse {
///     let ticks = stream::repeat_with(|| Ok::<_, std::io::Error>("tick\n"));
///     Body::from_stream(shutdown.until(ticks))
/// }
/// # let _ = ticks;
/// ```
#[derive(Clone, Debug)]
pub struct ShutdownSignal {
    // `None` where there is no server that could stop.
    heard: Option<(Traffic, DrainStage)>,
}

pin_project! {
    /// A stream that ends when the server asks its clients to leave; see [`ShutdownSignal::until`].
    pub struct UntilShutdown<S> {
        #[pin]
        inner: S,
        ended: Pin<Box<dyn Future<Output = ()> + Send>>,
        over: bool,
    }
}

// ===== impl ShutdownSignal =====

impl ShutdownSignal {
    /// A signal that is never given: for handlers that are called without a server.
    #[must_use]
    pub fn never() -> Self {
        Self { heard: None }
    }

    pub(crate) fn of(traffic: &Traffic) -> Self {
        let awaited =
            if traffic.is_serving() { DrainStage::LameDuck } else { DrainStage::StopAccept };
        Self { heard: Some((traffic.clone(), awaited)) }
    }

    /// Whether it has been given.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.heard.as_ref().is_some_and(|(traffic, awaited)| traffic.has_reached(*awaited))
    }

    /// Waits until it is given.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn requested(&self) {
        self.clone().into_requested().await;
    }

    /// As [`requested`](Self::requested), as a future that borrows nothing.
    pub fn into_requested(self) -> impl Future<Output = ()> + Send + use<> {
        let reached = self.heard.map(|(traffic, awaited)| traffic.reached(awaited));
        async move {
            match reached {
                Some(reached) => reached.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Runs `task` as one of the server's: counted, and waited for when the server ends. Without a
    /// server there is no connection to run it for.
    #[cfg(feature = "ws")]
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some((traffic, _)) = &self.heard {
            traffic.spawn(task);
        }
    }

    /// Waits until what is still in flight is cut off.
    #[cfg(feature = "ws")]
    pub(crate) fn forced(&self) -> impl Future<Output = ()> + Send + use<> {
        let forced = self.heard.as_ref().map(|(traffic, _)| traffic.reached(DrainStage::Force));
        async move {
            match forced {
                Some(forced) => forced.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Ends `stream` between two items when the signal is given.
    pub fn until<S: Stream>(&self, stream: S) -> UntilShutdown<S> {
        let ended = Box::pin(self.clone().into_requested());
        UntilShutdown { inner: stream, ended, over: false }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ShutdownSignal {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let link = parts.extensions.get::<RequestLink>();
        Ok(link.and_then(RequestLink::shutdown).unwrap_or_else(Self::never))
    }
}

// ===== impl UntilShutdown =====

impl<S: Stream> Stream for UntilShutdown<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        *this.over = *this.over || this.ended.as_mut().poll(cx).is_ready();
        if *this.over { Poll::Ready(None) } else { this.inner.poll_next(cx) }
    }
}

impl<S> std::fmt::Debug for UntilShutdown<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UntilShutdown").field("over", &self.over).finish_non_exhaustive()
    }
}
