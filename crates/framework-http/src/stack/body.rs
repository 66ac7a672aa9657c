use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::observer::Observation;
use crate::Problem;

/// A request's body went on beyond the limit of the [`Stack`](super::Stack).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is larger than {limit} bytes")]
#[non_exhaustive]
pub struct BodyTooLarge {
    /// The limit, in bytes.
    pub limit: u64,
}

impl BodyTooLarge {
    #[cfg(feature = "decompression")]
    pub(crate) fn of(limit: u64) -> Self {
        Self { limit }
    }

    pub(crate) fn problem(self) -> Problem {
        Problem::too_large().detail(self.to_string()).extension("limit", self.limit)
    }
}

/// How much of a body of unknown size has come in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received(Arc<AtomicU64>);

impl Received {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A request's body of unknown size: counted, and ended by an error at its limit.
pub(crate) struct LimitedBody {
    inner: Body,
    limit: u64,
    received: Received,
}

/// A response's body of unknown size, counted; the request ends with it.
pub(super) struct ObservedBody {
    inner: Body,
    observation: Observation,
}

impl LimitedBody {
    pub(crate) fn new(inner: Body, limit: u64) -> (Self, Received) {
        let received = Received::default();
        (Self { inner, limit, received: received.clone() }, received)
    }
}

impl http_body::Body for LimitedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        let total = self.received.0.fetch_add(size, Relaxed) + size;
        if total > self.limit {
            return Poll::Ready(Some(Err(BodyTooLarge { limit: self.limit }.into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl ObservedBody {
    pub(super) fn new(inner: Body, observation: Observation) -> Self {
        Self { inner, observation }
    }
}

impl http_body::Body for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.observation.response_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
