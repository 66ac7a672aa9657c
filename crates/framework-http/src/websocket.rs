//! Sockets of messages that close by themselves when the server stops.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Error,
    extract::{
        FromRequestParts,
        ws::{self, CloseFrame, Message, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use framework_core::is_planted;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use http::request::Parts;
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep},
};

use crate::ShutdownSignal;

/// "Service restart" (RFC 6455): clients come back, and to another server.
const RESTART: u16 = 1012;

/// How long a client may take to answer the close.
const GOODBYE: Duration = Duration::from_secs(2);

/// Takes a request's connection over as a WebSocket; in place of the extractor of axum's.
///
/// When the server asks its clients to leave, the socket is closed with code 1012 and then ends for
/// its handler as if the client had closed it. What is still open at the deadline is cut off.
///
/// # Examples
///
/// ```
/// use axum::response::Response;
/// use framework_http::WebSocketUpgrade;
///
/// async fn echo(upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(async |mut socket| {
///         while let Some(Ok(message)) = socket.recv().await {
///             if socket.send(message).await.is_err() {
///                 return;
///             }
///         }
///     })
/// }
/// # let _ = echo;
/// ```
#[derive(Debug)]
#[must_use = "the client waits for the response"]
pub struct WebSocketUpgrade {
    inner: ws::WebSocketUpgrade,
    shutdown: ShutdownSignal,
}

/// A WebSocket: a stream and a sink of messages.
pub struct WebSocket {
    inner: ws::WebSocket,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
    goodbye: Goodbye,
}

enum Goodbye {
    NotSaid,
    Saying(Option<Message>),
    // Until the client has answered, or this is over.
    Said(Pin<Box<Sleep>>),
    Over,
}

// ===== impl WebSocketUpgrade =====

impl WebSocketUpgrade {
    /// Sets how large a message may be, in bytes. Defaults to 64 MiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.inner = self.inner.max_message_size(bytes);
        self
    }

    /// Sets the protocols that the handler speaks; the first that the client knows is taken.
    pub fn protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<std::borrow::Cow<'static, str>>,
    {
        self.inner = self.inner.protocols(protocols);
        self
    }

    /// The response that makes a WebSocket of the connection, for `handler` to talk over.
    pub fn on_upgrade<H, F>(self, handler: H) -> Response
    where
        H: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { inner, shutdown } = self;
        let (give, take) = oneshot::channel();
        // What axum spawns for this has no owner, so it only hands the socket over.
        let response = inner.on_upgrade(async move |socket| drop(give.send(socket)));
        let (forced, tasks) = (shutdown.forced(), shutdown.clone());
        tasks.spawn(async move {
            let talk = async move {
                // The client may be gone before its connection has become a socket.
                let Ok(socket) = take.await else { return };
                handler(WebSocket::new(socket, shutdown)).await;
            };
            tokio::select! {
                () = talk => {}
                // The server has an end that no handler outlives.
                () = forced => {}
            }
        });
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> Result<Self, WebSocketUpgradeRejection> {
        let inner = ws::WebSocketUpgrade::from_request_parts(parts, state).await?;
        let Ok(shutdown) = ShutdownSignal::from_request_parts(parts, state).await;
        Ok(Self { inner, shutdown })
    }
}

// ===== impl WebSocket =====

impl WebSocket {
    fn new(inner: ws::WebSocket, shutdown: ShutdownSignal) -> Self {
        Self { inner, shutdown: Box::pin(shutdown.into_requested()), goodbye: Goodbye::NotSaid }
    }

    /// Waits for a message; `None` once the socket is closed, be it by the client or because the
    /// server stops.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        self.next().await
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket is closed.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.inner.send(message).await
    }

    /// Polls what is left to do before the socket ends. What the client still sends is dropped: it
    /// has been told that nobody listens any more.
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.goodbye {
                Goodbye::NotSaid => return Poll::Pending,
                Goodbye::Saying(message) => {
                    let sent = poll_send(&mut self.inner, message, cx);
                    self.goodbye = match ready!(sent) {
                        Ok(()) => Goodbye::Said(Box::pin(sleep(GOODBYE))),
                        Err(_) => Goodbye::Over,
                    };
                }
                Goodbye::Said(limit) => {
                    if limit.as_mut().poll(cx).is_pending() {
                        match ready!(self.inner.poll_next_unpin(cx)) {
                            Some(Ok(message)) if !matches!(message, Message::Close(_)) => continue,
                            _ => {}
                        }
                    }
                    self.goodbye = Goodbye::Over;
                }
                Goodbye::Over => return Poll::Ready(()),
            }
        }
    }
}

fn poll_send(
    socket: &mut ws::WebSocket,
    message: &mut Option<Message>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    if message.is_some() {
        ready!(socket.poll_ready_unpin(cx))?;
        if let Some(message) = message.take() {
            socket.start_send_unpin(message)?;
        }
    }
    socket.poll_flush_unpin(cx)
}

impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if matches!(self.goodbye, Goodbye::NotSaid) {
            if is_planted("no-goodbye") || self.shutdown.as_mut().poll(cx).is_pending() {
                return self.inner.poll_next_unpin(cx);
            }
            let close = CloseFrame { code: RESTART, reason: "the server restarts".into() };
            self.goodbye = Goodbye::Saying(Some(Message::Close(Some(close))));
        }
        self.poll_goodbye(cx).map(|()| None)
    }
}

impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.inner.start_send_unpin(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_close_unpin(cx)
    }
}

impl std::fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
