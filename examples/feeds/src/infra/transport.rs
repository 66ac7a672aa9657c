//! One request over a connection of its own. Nothing is pooled: feeds live on many hosts, each is
//! asked once an hour, and the address that was checked is the one that is connected to.

use std::{fmt, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use framework::prelude::BoxError;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// How long one address of several may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many addresses of one host are tried.
const MAX_ADDRESSES: usize = 4;

/// What a request is sent over.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

pub(crate) type BoxTransport = Box<dyn Transport>;

/// A request was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ExchangeError {
    /// The connection broke, or what came over it is not HTTP.
    #[error("the answer broke off")]
    Broken(#[source] BoxError),
    /// The answer is larger than allowed.
    #[error("the answer is larger than {max_bytes} bytes")]
    TooLarge { max_bytes: usize },
}

/// Speaks TLS with servers whose certificates the system trusts.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: Option<TlsConnector>,
}

impl Tls {
    /// Reads the certificates of the system. Without any, only `https://` does not work.
    pub(crate) fn of_system() -> Self {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (usable, _) = roots.add_parsable_certificates(found.certs);
        if usable == 0 {
            tracing::warn!("the system has no certificates: `https://` cannot be fetched");
            return Self { connector: None };
        }
        // Named, not installed for the whole process: another application in it may have another.
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder
            .with_safe_default_protocol_versions()
            .expect("the provider knows the versions that rustls takes for safe");
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Self { connector: Some(TlsConnector::from(Arc::new(config))) }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("usable", &self.connector.is_some()).finish()
    }
}

/// Connects to the first of `addresses` that answers.
pub(crate) async fn dial(addresses: &[SocketAddr]) -> io::Result<BoxTransport> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses.iter().take(MAX_ADDRESSES) {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(Box::new(stream));
            }
            Ok(Err(error)) => last = error,
            Err(late) => last = late.into(),
        }
    }
    Err(last)
}

/// Puts TLS around a connection to `host`.
pub(crate) async fn secure(
    tls: &Tls,
    host: &str,
    transport: BoxTransport,
) -> io::Result<BoxTransport> {
    let Some(connector) = &tls.connector else {
        return Err(io::Error::other("the system has no certificates"));
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(connector.connect(name, transport).await?))
}

/// Sends `request` over `transport`, and reads the answer up to `max_bytes`. The caller sets the
/// deadline.
pub(crate) async fn exchange<B>(
    transport: BoxTransport,
    request: Request<B>,
    max_bytes: usize,
) -> Result<Response<Bytes>, ExchangeError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let broken = |error: hyper::Error| ExchangeError::Broken(error.into());
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(transport)).await.map_err(broken)?;
    let answer = async {
        let (parts, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = read(body, max_bytes).await?;
        Ok(Response::from_parts(parts, body))
    };
    // The connection is driven here, so no task outlives the request; if it ends first, what it
    // has read is still there.
    match select(pin!(answer), pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, answer)) => answer.await,
    }
}

async fn read(body: Incoming, max_bytes: usize) -> Result<Bytes, ExchangeError> {
    // What is announced as too large is not waited for.
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(ExchangeError::TooLarge { max_bytes });
    }
    let read = Limited::new(body, max_bytes).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            ExchangeError::TooLarge { max_bytes }
        } else {
            ExchangeError::Broken(error)
        }
    })?;
    Ok(read.to_bytes())
}
