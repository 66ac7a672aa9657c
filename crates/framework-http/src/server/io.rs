use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};

use super::{Traffic, state::ConnectionState, traffic::OpenConnection};
use crate::drain::DrainStage;

/// How long to read on after the last response, for a client that is still sending.
const LINGER: Duration = Duration::from_millis(500);

/// Responses of no more bytes are written as one piece: the system takes longer to find the pieces
/// than it takes to join them.
const SMALL: usize = 512;

/// The most that is read ahead at a time, in bytes.
const AHEAD: usize = 24;

/// The socket of one connection. Whoever holds it keeps the connection counted, so a connection
/// that has become a WebSocket still counts.
pub(crate) struct ConnectionIo<T> {
    stream: T,
    state: Arc<ConnectionState>,
    // What was read before there was a protocol to read it.
    ahead: Bytes,
    lingering: Option<Pin<Box<Sleep>>>,
    // Nobody drives a connection that has become something else, so it cuts itself off.
    forced: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _place: Place,
}

/// One connection's place among those that may be open; held from accepting to closing.
#[derive(Debug)]
pub(crate) struct Place {
    _open: OpenConnection,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    pub(crate) fn new(traffic: &Traffic, permit: OwnedSemaphorePermit) -> Self {
        Self { _open: traffic.open(), _permit: permit }
    }
}

impl<T> ConnectionIo<T> {
    pub(crate) fn new(stream: T, state: Arc<ConnectionState>, place: Place) -> Self {
        Self { stream, state, ahead: Bytes::new(), lingering: None, forced: None, _place: place }
    }

    /// What has been read ahead, and will be read again.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Takes back what a protocol has read and not used. A copy: it is mostly nothing, and would keep
    /// a whole buffer.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        self.ahead = match self.ahead.is_empty() {
            true => Bytes::copy_from_slice(bytes),
            false => [bytes, &self.ahead].concat().into(),
        };
    }
}

impl<T: AsyncRead + Unpin> ConnectionIo<T> {
    /// Reads ahead, until that is `limit` bytes or less. Ready with how many bytes have come, which
    /// is none at the end.
    pub(super) fn poll_ahead(
        &mut self,
        limit: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut scratch = [0_u8; AHEAD];
        let room = limit.saturating_sub(self.ahead.len()).min(AHEAD);
        let mut buf = ReadBuf::new(&mut scratch[..room]);
        ready!(self.poll_stream(cx, &mut buf))?;
        let came = buf.filled();
        self.ahead = match self.ahead.is_empty() {
            true => Bytes::copy_from_slice(came),
            false => [&*self.ahead, came].concat().into(),
        };
        Poll::Ready(Ok(came.len()))
    }

    /// Ready with an error once a client has left that waits for a response.
    ///
    /// The protocol could look as well, by reading on; but it would look while it begins with the
    /// request, which uses its buffer, and so make another buffer with every one. Nobody looks this
    /// way unless a response takes its time.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.ahead.is_empty() || !self.state.only_waits_for_response() {
            return Poll::Pending;
        }
        let mut scratch = [0_u8; AHEAD];
        let mut buf = ReadBuf::new(&mut scratch);
        match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
            Ok(()) if buf.filled().is_empty() => {
                Poll::Ready(io::Error::new(io::ErrorKind::UnexpectedEof, ClientLeft))
            }
            // The beginning of the next request.
            Ok(()) => {
                self.ahead = Bytes::copy_from_slice(buf.filled());
                Poll::Pending
            }
            Err(error) => Poll::Ready(error),
        }
    }

    /// Notes what became of a write, and if it has to wait, whether there is somebody to wait for.
    fn note_write(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.state.write_moved();
            return written;
        }
        self.state.write_stalled();
        self.poll_left(cx).map(Err)
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(cut_off) = self.poll_forced(cx) {
            return Poll::Ready(Err(cut_off));
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            // The one place where an idle connection is closed: nothing has arrived up to this
            // very moment. Closing it from outside would lose a request that waits to be read.
            Poll::Pending if self.state.reads_nothing_more() => Poll::Ready(Ok(())),
            Poll::Ready(Ok(())) => {
                let arrived = &buf.filled()[before..];
                if !arrived.is_empty() {
                    self.state.bytes_arrived(arrived);
                }
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl<T> ConnectionIo<T> {
    /// Ready with an error when a connection that has become something else is to be cut off.
    fn poll_forced(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.state.upgraded_by().is_none() {
            return Poll::Pending;
        }
        let traffic = self.state.traffic();
        let forced =
            self.forced.get_or_insert_with(|| Box::pin(traffic.reached(DrainStage::Force)));
        if traffic.has_reached(DrainStage::Force) || forced.as_mut().poll(cx).is_ready() {
            return Poll::Ready(io::Error::new(io::ErrorKind::ConnectionAborted, CutOffIo));
        }
        Poll::Pending
    }
}

/// The time to finish was over before the connection was closed.
#[derive(Debug, thiserror::Error)]
#[error("the server has stopped")]
struct CutOffIo;

/// The client has closed the connection while its request was being answered.
#[derive(Debug, thiserror::Error)]
#[error("the client has left")]
struct ClientLeft;

impl<T> Drop for ConnectionIo<T> {
    fn drop(&mut self) {
        let Some(request) = self.state.upgraded_by() else { return };
        let traffic = self.state.traffic();
        traffic.upgrade_ended();
        if traffic.has_reached(DrainStage::Force) {
            traffic.cut(request.cut(Instant::now()));
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for ConnectionIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionIo").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ConnectionIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return self.poll_stream(cx, buf);
        }
        let length = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..length]);
        self.ahead.advance(length);
        // Together with what follows: a head that comes in two pieces has its reader double its
        // buffer, and keep it.
        match self.poll_stream(cx, buf) {
            Poll::Pending => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ConnectionIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(cut_off) = self.poll_forced(cx) {
            return Poll::Ready(Err(cut_off));
        }
        self.state.set_settled(false);
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_write(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(cut_off) = self.poll_forced(cx) {
            return Poll::Ready(Err(cut_off));
        }
        self.state.set_settled(false);
        let mut joined = [0; SMALL];
        let written = match join(bufs, &mut joined) {
            Some(small) => Pin::new(&mut self.stream).poll_write(cx, small),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        };
        self.note_write(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.state.set_settled(flushed.is_ready());
        // Called whenever the protocol has done what it can.
        match self.poll_left(cx) {
            Poll::Ready(left) => Poll::Ready(Err(left)),
            Poll::Pending => flushed,
        }
    }

    /// Closes the sending side. If the client is still sending a body that nobody reads, reads on
    /// for a moment: the kernel would answer it with a reset, which destroys the response.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.set_settled(false);
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        if !self.state.has_unread_body() {
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        let limit = this.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if limit.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        discard(&mut this.stream, cx)
    }
}

/// The buffers one after the other, if there is room for all of them.
fn join<'j>(bufs: &[io::IoSlice<'_>], joined: &'j mut [u8; SMALL]) -> Option<&'j [u8]> {
    let mut length = 0;
    for buf in bufs {
        let end = length + buf.len();
        joined.get_mut(length..end)?.copy_from_slice(buf);
        length = end;
    }
    Some(&joined[..length])
}

/// Reads until the client closes. What goes wrong no longer matters.
fn discard<T: AsyncRead + Unpin>(stream: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut scratch = [0_u8; 8192];
    loop {
        let mut buf = ReadBuf::new(&mut scratch);
        match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {}
            _ => return Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
