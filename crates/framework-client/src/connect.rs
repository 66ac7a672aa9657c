use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use framework_core::{BoxError, BoxFuture};
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tower::Service;

#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "tls")]
pub(crate) use self::tls::Tls;

/// What requests are sent over.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

pub(crate) type BoxTransport = Box<dyn Transport>;

/// Opens the way to a host and port.
pub(crate) type Dial =
    Arc<dyn Fn(String, u16) -> BoxFuture<io::Result<BoxTransport>> + Send + Sync>;

/// Makes connections for the pool: dials, and speaks TLS where the address says so.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) dial: Dial,
    pub(crate) limit: Duration,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}

/// A connection as the pool keeps it.
pub(crate) struct PooledTransport(TokioIo<BoxTransport>);

/// An address cannot be connected to.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("the address has no host")]
    NoHost,
    #[cfg(not(feature = "tls"))]
    #[error("`https` needs the feature `tls` of `framework-client`")]
    NoTls,
    #[cfg(feature = "tls")]
    #[error("the client was made without TLS")]
    NoTls,
    #[error("no connection within {0:?}")]
    TooSlow(Duration),
    #[error("cannot reach `{host}:{port}`")]
    Unreachable { host: String, port: u16, source: io::Error },
    #[cfg(feature = "tls")]
    #[error("`{host}` does not speak TLS as it should")]
    Handshake { host: String, source: io::Error },
}

/// Dials with TCP.
pub(crate) fn tcp() -> Dial {
    Arc::new(|host, port| {
        Box::pin(async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            // A request is written at once, and should not wait for the answer to the one before.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxTransport)
        })
    })
}

impl Connector {
    async fn connect(self, to: Uri) -> Result<PooledTransport, BoxError> {
        let limit = self.limit;
        let connected = timeout(limit, self.open(to)).await;
        let transport = connected.map_err(|_| ConnectError::TooSlow(limit))??;
        Ok(PooledTransport(TokioIo::new(transport)))
    }

    async fn open(self, to: Uri) -> Result<BoxTransport, ConnectError> {
        let secure = to.scheme_str() == Some("https");
        let port = to.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let host = to.host().ok_or(ConnectError::NoHost)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        #[cfg(not(feature = "tls"))]
        if secure {
            return Err(ConnectError::NoTls);
        }
        let dialled = (self.dial)(host.clone(), port).await;
        let source = |source| ConnectError::Unreachable { host: host.clone(), port, source };
        let transport = dialled.map_err(source)?;
        #[cfg(feature = "tls")]
        if secure {
            let tls = self.tls.as_ref().ok_or(ConnectError::NoTls)?;
            let secured = tls.secure(&host, transport).await;
            return secured.map_err(|source| ConnectError::Handshake { host, source });
        }
        Ok(transport)
    }
}

impl Service<Uri> for Connector {
    type Response = PooledTransport;
    type Error = BoxError;
    type Future = BoxFuture<Result<PooledTransport, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().connect(to))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("limit", &self.limit).finish_non_exhaustive()
    }
}

// ===== impl PooledTransport =====

impl Connection for PooledTransport {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for PooledTransport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for PooledTransport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}
