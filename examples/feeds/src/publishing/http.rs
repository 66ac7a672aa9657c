//! The way to a bucket's service: the same as to feeds, so that there is one TLS in the process.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use framework::axum::http::{HeaderValue, Response, Uri, header};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    },
};
use tokio::{net::lookup_host, time::timeout};

use crate::infra::{ExchangeError, Tls, dial, exchange, secure};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer: as large as what was written.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// Sends the requests of an object store.
#[derive(Clone, Debug)]
pub(super) struct OwnHttp {
    tls: Tls,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl OwnHttp {
    pub(super) fn new() -> Self {
        Self { tls: Tls::of_system() }
    }

    async fn send(&self, mut request: HttpRequest) -> Result<Response<Bytes>, HttpError> {
        let uri = request.uri().clone();
        let secured = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().to_owned();
        let port = uri.port_u16().unwrap_or(if secured { 443 } else { 80 });
        address(&mut request, &uri);

        let connect = |error| HttpError::new(HttpErrorKind::Connect, error);
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<_> = lookup_host((plain, port)).await.map_err(connect)?.collect();
        let mut transport = dial(&addresses).await.map_err(connect)?;
        if secured {
            transport = secure(&self.tls, &host, transport).await.map_err(connect)?;
        }
        exchange(transport, request, MAX_ANSWER).await.map_err(|error| {
            let kind = match &error {
                ExchangeError::Broken(_) => HttpErrorKind::Interrupted,
                ExchangeError::TooLarge { .. } => HttpErrorKind::Decode,
            };
            HttpError::new(kind, error)
        })
    }
}

/// On a connection of its own, a request names the path, and the host in a header.
fn address(request: &mut HttpRequest, uri: &Uri) {
    let host = uri.authority().and_then(|it| HeaderValue::from_str(it.as_str()).ok());
    if let Some(host) = host.filter(|_| !request.headers().contains_key(header::HOST)) {
        request.headers_mut().insert(header::HOST, host);
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // A part of an address that was parsed before.
    *request.uri_mut() = path.parse().unwrap_or_default();
}

impl HttpConnector for OwnHttp {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// As `async_trait` would write it.
impl HttpService for OwnHttp {
    fn call<'s, 'a>(&'s self, request: HttpRequest) -> Answer<'a>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            let late = |error| HttpError::new(HttpErrorKind::Timeout, error);
            let answer = timeout(TIMEOUT, self.send(request)).await.map_err(late)??;
            let (parts, body) = answer.into_parts();
            Ok(HttpResponse::from_parts(parts, body.into()))
        })
    }
}
