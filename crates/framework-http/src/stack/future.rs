use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use framework_core::{EnteredRequest, PanicError, RequestContext};
use http::header;
use http_body::Body as _;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tracing::{Span, span};

use super::{
    BodyTooLarge, RequestId,
    body::{ObservedBody, Received},
    observer::Observation,
    request_id::X_REQUEST_ID,
};
use crate::{Problem, problem::Document};

pin_project! {
    /// A request on its way through the [`Stack`](super::Stack).
    #[must_use = "futures do nothing unless polled"]
    pub struct StackFuture<F> {
        #[pin]
        inner: Inner<F>,
        // Most handlers are done when they are first asked, and need no timer.
        timer: Option<Pin<Box<Sleep>>>,
        // `None` for what was answered before it came to the stack.
        request: Option<OnItsWay>,
    }
}

pin_project! {
    #[project = InnerProjection]
    pub(super) enum Inner<F> {
        Calling { #[pin] future: F },
        // Boxed, as it is rare: futures are moved before they are polled.
        Answered { response: Box<Response> },
        Done,
    }
}

pub(super) struct OnItsWay {
    pub(super) id: RequestId,
    pub(super) surroundings: Surroundings,
    pub(super) observation: Option<Observation>,
    pub(super) timeout: Duration,
    pub(super) counted: Option<(Received, u64)>,
}

/// What lines of the log are marked with while a request is worked on, and what is sent on with
/// requests that it makes.
pub(super) enum Surroundings {
    Span(Span, RequestContext),
    Context(RequestContext),
}

impl Surroundings {
    /// Until the guard is dropped. No closure: it would be one more place that a request is copied
    /// to.
    pub(super) fn enter(&mut self) -> Entered<'_> {
        match self {
            Self::Span(span, context) => {
                Entered { _context: context.enter(), _span: Some(span.enter()) }
            }
            Self::Context(context) => Entered { _context: context.enter(), _span: None },
        }
    }
}

/// Left in this order.
pub(super) struct Entered<'s> {
    _context: EnteredRequest<'s>,
    _span: Option<span::Entered<'s>>,
}

impl<F> StackFuture<F> {
    #[inline(always)]
    pub(super) fn new(inner: Inner<F>, request: OnItsWay) -> Self {
        Self { inner, timer: None, request: Some(request) }
    }

    /// What is answered already, and passes through no stack.
    pub(crate) fn answered(response: Response) -> Self {
        let inner = Inner::Answered { response: Box::new(response) };
        Self { inner, timer: None, request: None }
    }
}

impl<F> Future for StackFuture<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(request) = this.request.as_mut() else {
            let response = ready!(this.inner.as_mut().poll(cx));
            this.inner.set(Inner::Done);
            return Poll::Ready(Ok(response));
        };
        let timeout = request.timeout;
        let entered = request.surroundings.enter();
        let response = match this.inner.as_mut().poll(cx) {
            Poll::Ready(response) => response,
            Poll::Pending => {
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
                ready!(timer.as_mut().poll(cx));
                timed_out(timeout)
            }
        };
        drop(entered);
        // What a handler that was given up holds is released before its client hears of it.
        this.inner.set(Inner::Done);
        let response = request.finish(response);
        // With it ends the observation, unless the response's body has taken that over.
        *this.request = None;
        Poll::Ready(Ok(response))
    }
}

impl<F> Inner<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match self.project() {
            InnerProjection::Calling { future } => poll_contained(future, cx),
            InnerProjection::Answered { response } => {
                Poll::Ready(std::mem::take(response.as_mut()))
            }
            InnerProjection::Done => unreachable!("not polled after it has completed"),
        }
    }
}

/// Polls a handler; if it panics, the answer is a problem document, and the log says why.
fn poll_contained<F>(inner: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Response>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
        Ok(polled) => polled.map(|Ok(response)| response),
        Err(payload) => {
            let panic = PanicError::new(payload.as_ref());
            Poll::Ready(Problem::internal(panic).into_response())
        }
    }
}

fn timed_out(limit: Duration) -> Response {
    tracing::warn!(?limit, "a request took too long and was given up");
    let detail = format!("the request took longer than {limit:?}");
    Problem::unavailable().detail(detail).into_response()
}

impl OnItsWay {
    /// In place, as it is large.
    fn finish(&mut self, mut response: Response) -> Response {
        if let Some((received, limit)) = &self.counted
            && received.bytes() > *limit
            && response.status().is_client_error()
            && response.extensions().get::<Box<Document>>().is_none()
        {
            // An extractor of axum's has said so in words of its own.
            response = BodyTooLarge { limit: *limit }.problem().into_response();
        }
        if response.status().is_server_error() {
            self.name_in_problem(&mut response);
        }
        // Hardly any handler sets one of its own: to put it back costs less than to look first.
        if let Some(own) = response.headers_mut().insert(X_REQUEST_ID, self.id.to_header()) {
            response.headers_mut().insert(X_REQUEST_ID, own);
        }
        self.observe(response)
    }

    fn observe(&mut self, response: Response) -> Response {
        let Some(observation) = &mut self.observation else { return response };
        observation.status = Some(response.status());
        if let Some((received, _)) = &self.counted {
            observation.request_bytes = received.bytes();
        }
        if let Some(size) = response.body().size_hint().exact() {
            observation.response_bytes = size;
            return response;
        }
        let observation = self.observation.take().expect("looked at above");
        response.map(|body| Body::new(ObservedBody::new(body, observation)))
    }

    /// Puts the id into the document, so that whoever reports the error can name it.
    fn name_in_problem(&self, response: &mut Response) {
        let Some(mut document) = response.extensions_mut().remove::<Box<Document>>() else {
            return;
        };
        document.extend("request_id".to_owned(), self.id.as_str().into());
        *response.body_mut() = Body::from(document.to_json());
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
}
