use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::{
    body::Incoming,
    rt::bounds::Http2ServerConnExec,
    server::conn::{http1, http2},
    service::HttpService,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::{sync::DropGuard, task::TaskTracker};

use super::{connection::Setting, executor::StreamTasks, io::ConnectionIo, transport::Transport};

/// What a client that speaks HTTP/2 begins with.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One connection in the protocol that its client speaks.
///
/// A connection that waits for a request can be put to [`rest`](Driven::rest). Nothing is left then
/// but the socket and the service: the buffers of the protocol are nine tenths of what an idle
/// connection costs.
pub(super) struct Protocol<S: HttpService<Incoming>> {
    stage: Stage<S>,
    setting: Arc<Setting>,
    streams: TaskTracker,
}

type Io = TokioIo<ConnectionIo<Transport>>;

enum Stage<S: HttpService<Incoming>> {
    /// Nothing of the next request has come.
    Waiting(Waiting<S>),
    // Boxed, both: all that wait would have the room for them.
    Http1(Box<http1::UpgradeableConnection<Io, S>>),
    Http2 {
        connection: Box<http2::Connection<Io, S, StreamTasks>>,
        _ends_streams: DropGuard,
    },
    Over,
}

struct Waiting<S> {
    io: ConnectionIo<Transport>,
    service: S,
    // It has had requests of HTTP/1 before.
    is_http1: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// The body of an answer.
pub(super) trait Sent: http_body::Body<Error: Into<axum::BoxError>> + 'static {}

impl<B: http_body::Body<Error: Into<axum::BoxError>> + 'static> Sent for B {}

/// What the driver of a connection asks of it.
pub(super) trait Driven {
    /// Ready when the connection has ended.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::BoxError>>;

    /// Tells an HTTP/2 client to send no more requests.
    fn say_goodbye(&mut self);

    /// Whether there is something to let go of while no request is on its way.
    fn is_awake(&self) -> bool;

    /// Lets go of everything but the socket, until something comes in. Only for a connection
    /// without a request, all of whose responses have been sent.
    fn rest(&mut self);
}

impl<S: HttpService<Incoming>> Protocol<S> {
    pub(super) fn new(
        io: ConnectionIo<Transport>,
        service: S,
        setting: Arc<Setting>,
        streams: TaskTracker,
    ) -> Self {
        let waiting = Waiting { io, service, is_http1: false };
        Self { stage: Stage::Waiting(waiting), setting, streams }
    }
}

// Nothing is pinned that is not in a box of its own or can be moved.
impl<S: HttpService<Incoming>> Unpin for Protocol<S> {}

impl<S> Driven for Protocol<S>
where
    S: HttpService<Incoming, ResBody: Sent>,
    StreamTasks: Http2ServerConnExec<S::Future, S::ResBody>,
{
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::BoxError>> {
        loop {
            match &mut self.stage {
                Stage::Waiting(waiting) => {
                    let version = ready!(waiting.poll_version(cx))?;
                    self.begin(version);
                }
                Stage::Http1(connection) => {
                    return Pin::new(&mut **connection).poll(cx).map_err(Into::into);
                }
                Stage::Http2 { connection, .. } => {
                    return Pin::new(&mut **connection).poll(cx).map_err(Into::into);
                }
                Stage::Over => return Poll::Ready(Ok(())),
            }
        }
    }

    fn say_goodbye(&mut self) {
        match &mut self.stage {
            Stage::Waiting(_) => self.stage = Stage::Over,
            Stage::Http1(connection) => Pin::new(&mut **connection).graceful_shutdown(),
            Stage::Http2 { connection, .. } => Pin::new(&mut **connection).graceful_shutdown(),
            Stage::Over => {}
        }
    }

    fn is_awake(&self) -> bool {
        matches!(self.stage, Stage::Http1(_))
    }

    fn rest(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Http1(connection) => connection.into_parts().map_or(Stage::Over, |parts| {
                let mut io = parts.io.into_inner();
                io.put_back(&parts.read_buf);
                Stage::Waiting(Waiting { io, service: parts.service, is_http1: true })
            }),
            other => other,
        };
    }
}

impl<S> Protocol<S>
where
    S: HttpService<Incoming, ResBody: Sent>,
    StreamTasks: Http2ServerConnExec<S::Future, S::ResBody>,
{
    fn begin(&mut self, version: Version) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Waiting(Waiting { io, service, .. }) => match version {
                Version::Http1 => Self::http1_connection(TokioIo::new(io), service),
                Version::Http2 => self.http2_connection(TokioIo::new(io), service),
            },
            other => other,
        };
    }

    fn http1_connection(io: Io, service: S) -> Stage<S> {
        let mut builder = http1::Builder::new();
        // The state's own limit covers the head as well, with one timer a connection.
        builder.header_read_timeout(None);
        // The socket itself looks whether the client is still there: `ConnectionIo::poll_left`.
        builder.half_close(true);
        Stage::Http1(Box::new(builder.serve_connection(io, service).with_upgrades()))
    }

    fn http2_connection(&self, io: Io, service: S) -> Stage<S> {
        let settings = &self.setting.settings;
        let (executor, ends_streams) =
            StreamTasks::new(self.streams.clone(), settings.write_stall_timeout);
        let connection = http2::Builder::new(executor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(200)
            .keep_alive_interval(settings.ping_interval)
            .keep_alive_timeout(settings.ping_interval)
            .serve_connection(io, service);
        Stage::Http2 { connection: Box::new(connection), _ends_streams: ends_streams }
    }
}

impl<S> Waiting<S> {
    /// Waits for the first bytes of a request, and tells by them what the client speaks.
    fn poll_version(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Version>> {
        loop {
            // What a protocol has read and left is the beginning of a head: it waits for more.
            let left = if self.is_http1 { self.io.ahead().len() } else { 0 };
            let came = ready!(self.io.poll_ahead(left + HTTP2_PREFACE.len(), cx))?;
            let ahead = self.io.ahead();
            if self.is_http1 || came == 0 || !HTTP2_PREFACE.starts_with(ahead) {
                return Poll::Ready(Ok(Version::Http1));
            }
            if ahead.len() == HTTP2_PREFACE.len() {
                return Poll::Ready(Ok(Version::Http2));
            }
        }
    }
}

#[cfg(test)]
mod tests;
