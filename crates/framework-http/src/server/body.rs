use std::{
    cell::Cell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    BodyTooSlow,
    executor::note_clients_turn,
    progress::BodyProgress,
    state::{ConnectionState, RequestLine},
};
use crate::{ShutdownSignal, drain::DrainStage};

/// A request in flight, counted until its response has been handed over to the last byte.
// Small: the protocol moves a response's body, which has this in it, half a dozen times.
#[derive(Debug)]
pub(crate) struct InFlight {
    connection: Arc<ConnectionState>,
    // `None` once it is dropped.
    line: Option<Box<RequestLine>>,
    complete: bool,
}

const _: () = assert!(size_of::<InFlight>() <= 24);

thread_local! {
    /// Of a request that has ended, for the next one.
    static SPARE: Cell<Option<Box<RequestLine>>> = const { Cell::new(None) };
}

/// A request's body, which has to make progress. Notes on its connection when it is dropped before
/// its end.
pub(crate) struct RequestBody {
    inner: Incoming,
    connection: Arc<ConnectionState>,
    progress: BodyProgress,
    // Most bodies are there when they are asked for, and need no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

pin_project! {
    /// A response's body, and the request that it belongs to.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        inner: B,
        request: InFlight,
        // `None` for most, which are only passed on.
        attended: Option<Box<Attended>>,
    }
}

/// What there is to do while a response's body is sent.
struct Attended {
    // Ends a stream of events when the server asks its clients to leave.
    ending: Option<Ending>,
    // A stalled stream does not show at the socket, so it is looked at here.
    http2: bool,
    // What is left of a frame that is handed over in pieces.
    rest: Bytes,
}

/// How much of a body is handed to HTTP/2 at a time: a frame. What it has taken, it keeps until the
/// client makes room, and nobody sees how long that takes.
const PIECE: usize = 16 << 10;

// ===== impl InFlight =====

impl InFlight {
    pub(crate) fn new(connection: &Arc<ConnectionState>, request: &Parts) -> Self {
        let started = connection.request_started(request.version == http::Version::HTTP_2);
        let (method, path) = (request.method.clone(), request.uri.path().into());
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        let line = match spare {
            Some(mut line) => {
                (line.method, line.path, line.started) = (method, path, started);
                line
            }
            None => Box::new(RequestLine { method, path, started }),
        };
        Self { connection: Arc::clone(connection), line: Some(line), complete: false }
    }

    pub(crate) fn connection(&self) -> &ConnectionState {
        &self.connection
    }

    pub(crate) fn started(&self) -> Instant {
        self.line().started
    }

    /// The connection becomes something else with the answer to this request.
    pub(crate) fn upgrade(&self) {
        self.connection.upgrade(self.line().clone());
    }

    fn line(&self) -> &RequestLine {
        self.line.as_ref().expect("it is there until the request is dropped")
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.complete && self.connection.traffic().stage() == DrainStage::Force {
            self.connection.traffic().cut(self.line().cut(Instant::now()));
        }
        self.connection.request_ended();
        // A thread that ends has no next request.
        let _ = SPARE.try_with(|spare| spare.set(self.line.take()));
    }
}

// ===== impl RequestBody =====

impl RequestBody {
    pub(crate) fn new(inner: Incoming, connection: Arc<ConnectionState>) -> Self {
        connection.set_reading_body(true);
        let settings = connection.settings();
        let progress = BodyProgress::new(settings.body_grace, settings.min_body_bytes_per_second);
        Self { inner, connection, progress, timer: None }
    }
}

impl RequestBody {
    /// Nothing is there to be read: ready with an error once that has lasted too long.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<BodyTooSlow> {
        let due = self.progress.waits(Instant::now());
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(cx).map(|()| BodyTooSlow { received: self.progress.received() })
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.connection.set_reading_body(false);
        if !self.inner.is_end_stream() {
            self.connection.body_left_unread();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if self.inner.is_end_stream() {
            self.connection.set_reading_body(false);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                let size = frame.data_ref().map_or(0, Bytes::len);
                self.progress.arrived(size as u64, Instant::now());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(ended) => Poll::Ready(ended.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => self.poll_too_slow(cx).map(|error| Some(Err(error.into()))),
        }
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
    pub(crate) fn new(inner: B, headers: &HeaderMap, mut request: InFlight) -> Self
    where
        B: Body,
    {
        request.complete = inner.is_end_stream();
        let http2 = request.connection.is_http2();
        // What is there already ends by itself.
        let goes_on = inner.size_hint().exact().is_none();
        let ending = (goes_on && is_event_stream(headers)).then(|| -> Ending {
            Box::pin(ShutdownSignal::of(request.connection.traffic()).into_requested())
        });
        let attended = http2 || ending.is_some();
        let attended = attended.then(|| Box::new(Attended { ending, http2, rest: Bytes::new() }));
        Self { inner, request, attended }
    }

    /// What is left of a frame that is handed over in pieces, in bytes.
    fn rest(&self) -> usize {
        self.attended.as_ref().map_or(0, |attended| attended.rest.len())
    }
}

/// Clients of an event stream come back by themselves, so it can be ended between two events.
fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

impl<B: Body<Data = Bytes>> ResponseBody<B> {
    fn poll_inner(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        if let Some(attended) = this.attended {
            if !attended.rest.is_empty() {
                let piece = attended.rest.split_to(PIECE.min(attended.rest.len()));
                this.request.complete = attended.rest.is_empty() && this.inner.is_end_stream();
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if let Some(ending) = &mut attended.ending
                && ending.as_mut().poll(cx).is_ready()
            {
                this.request.complete = true;
                return Poll::Ready(None);
            }
        }
        let mut frame = this.inner.as_mut().poll_frame(cx);
        let mut ended = matches!(frame, Poll::Ready(None)) || this.inner.is_end_stream();
        if let Some(attended) = this.attended
            && attended.http2
            && let Poll::Ready(Some(Ok(frame))) = &mut frame
            && let Some(data) = frame.data_mut()
            && data.len() > PIECE
        {
            attended.rest = data.split_off(PIECE);
            ended = false;
        }
        if ended {
            this.request.complete = true;
        }
        frame
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = self.as_mut().poll_inner(cx);
        if self.attended.as_ref().is_some_and(|attended| attended.http2) {
            // Asked for more only when there is room for what was handed over before.
            let handed_over = matches!(frame, Poll::Ready(Some(Ok(_))));
            note_clients_turn(handed_over.then(Instant::now));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.rest() == 0 && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.inner.size_hint(), self.rest() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
