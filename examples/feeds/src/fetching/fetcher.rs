use std::{
    fmt,
    io::Read as _,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use framework::{
    axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header},
    core::Clock,
    prelude::{Config, Peers, WorkerPool},
};
use http_body_util::Empty;
use tokio::time::{Instant, timeout, timeout_at};
use url::{Host, Url};

use super::{FetchError, Guard, HostPaused, InvalidUrl, Resolve, hosts::Hosts, slots::Slots};
use crate::{
    FeedsSettings,
    infra::{Tls, dial, exchange, secure},
};

const ACCEPT: HeaderValue = HeaderValue::from_static(
    "application/atom+xml, application/rss+xml, application/feed+json, application/json;q=0.9, \
     application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1",
);

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("feeds/", env!("CARGO_PKG_VERSION")));

/// The longest address of a feed, in bytes.
const MAX_URL: usize = 2048;

/// The pause before a connection that broke is tried once more.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Fetches documents from the Internet: within limits of time, size and number, and from nowhere
/// else.
pub struct Fetcher {
    settings: Config<FeedsSettings>,
    pool: Arc<WorkerPool>,
    resolver: Arc<dyn Resolve>,
    clock: Arc<dyn Clock>,
    hosts: Hosts,
    slots: Slots,
    tls: Tls,
    peers: Option<Arc<Peers>>,
}

/// What a server wants to be reminded of, so that it need not send a document again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fetched {
    /// The document is the one that it was.
    NotModified,
    /// A document.
    Document(FetchedDocument),
}

/// A document, unpacked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchedDocument {
    /// Where it was in the end.
    pub url: Url,
    /// The document.
    pub body: Bytes,
    /// What to send along the next time.
    pub validators: Validators,
}

/// Reads the address of a feed: `http` or `https`, without credentials. What follows a `#` is left
/// out.
///
/// # Errors
///
/// Returns an error if it is something else.
///
/// # Examples
///
/// ```
/// use feeds::fetching::feed_url;
///
/// assert_eq!(feed_url("https://example.com/feed#top")?.as_str(), "https://example.com/feed");
/// assert!(feed_url("file:///etc/passwd").is_err());
/// # Ok::<(), feeds::fetching::InvalidUrl>(())
/// ```
pub fn feed_url(text: &str) -> Result<Url, InvalidUrl> {
    let refused = |reason: String| Err(InvalidUrl { reason });
    if text.len() > MAX_URL {
        return refused(format!("the address is longer than {MAX_URL} bytes"));
    }
    let mut url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return refused(format!("`{text}` is no address: {error}")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refused(format!("`{}` is not fetched, only `http` and `https`", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("the address has credentials in it".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

impl Fetcher {
    /// A fetcher that asks `resolver` for addresses, and unpacks on `pool`.
    #[must_use]
    pub fn new(
        settings: Config<FeedsSettings>,
        pool: Arc<WorkerPool>,
        resolver: Arc<dyn Resolve>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (hosts, slots) = (Hosts::new(Arc::clone(&clock)), Slots::new(settings.clone()));
        Self { settings, pool, resolver, clock, hosts, slots, tls: Tls::of_system(), peers: None }
    }

    /// Tells the other workers of the cluster which hosts are to be left alone.
    #[must_use]
    pub fn telling(mut self, peers: Arc<Peers>) -> Self {
        self.peers = Some(peers);
        self
    }

    /// Leaves a host alone that another worker was told to.
    pub(super) fn heard(&self, paused: &HostPaused) {
        let HostPaused { host, millis } = paused;
        self.hosts.heard(host, Duration::from_millis(*millis));
        tracing::debug!(host, millis, "a host is to be left alone, another worker says");
    }

    fn failed(&self, host: &str, asked: Option<Duration>) {
        self.hosts.failed(host, asked);
        let (Some(peers), Some(pause)) = (&self.peers, self.hosts.pause(host)) else { return };
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let paused = HostPaused { host: host.to_owned(), millis };
        // They would only ask once each to hear it themselves.
        if let Err(error) = peers.broadcast(&paused) {
            tracing::debug!(%error, "the other workers do not know yet");
        }
    }

    /// Fetches the document at `url`, unless it is still the one that `since` came with.
    ///
    /// Every address on the way is checked when it is connected to, that of each redirect included.
    /// A host that failed several times in a row is left alone for a while.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no document, it may not be had, or a limit was reached.
    pub async fn fetch(&self, url: &Url, since: &Validators) -> Result<Fetched, FetchError> {
        let limit = self.settings.get().fetch_timeout;
        let _slot = timeout(limit, self.slots.enter()).await.map_err(|_| FetchError::Busy)?;
        let deadline = Instant::now() + limit;
        let (mut url, mut redirects) = (url.clone(), 0);
        loop {
            let answer = self.ask(&url, since, deadline).await?;
            let Some(next) = self.redirect(&url, &answer)? else {
                return self.read(url, answer, deadline).await;
            };
            redirects += 1;
            let limit = self.settings.get().redirects;
            if redirects > limit {
                return Err(FetchError::TooManyRedirects { limit });
            }
            url = next;
        }
    }

    /// Asks one host, and remembers how that went.
    async fn ask(
        &self,
        url: &Url,
        since: &Validators,
        deadline: Instant,
    ) -> Result<Response<Bytes>, FetchError> {
        let host = authority(url);
        if let Some(left) = self.hosts.pause(&host) {
            return Err(FetchError::Paused { host, left });
        }
        let asked = timeout_at(deadline, self.try_twice(url, since)).await;
        let limit = self.settings.get().fetch_timeout;
        let late = |_| Err(FetchError::TooSlow { host: host.clone(), limit });
        let answer = asked.unwrap_or_else(late).and_then(|answer| self.judge(&host, answer));
        match &answer {
            Ok(_) => self.hosts.succeeded(&host),
            Err(error) if error.is_trouble() => self.failed(&host, error.retry_after()),
            Err(_) => {}
        }
        answer
    }

    /// A connection that breaks before there is an answer is nobody's fault, once.
    async fn try_twice(
        &self,
        url: &Url,
        since: &Validators,
    ) -> Result<Response<Bytes>, FetchError> {
        match self.once(url, since).await {
            Err(FetchError::Unreachable { .. } | FetchError::Broken { .. }) => {
                self.clock.sleep(RETRY_PAUSE).await;
                self.once(url, since).await
            }
            answer => answer,
        }
    }

    async fn once(&self, url: &Url, since: &Validators) -> Result<Response<Bytes>, FetchError> {
        let host = authority(url);
        let addresses = self.addresses(url).await?;
        let unreachable = |source| FetchError::Unreachable { host: host.clone(), source };
        let mut transport = dial(&addresses).await.map_err(unreachable)?;
        if url.scheme() == "https" {
            let name = url.host_str().unwrap_or_default();
            transport = secure(&self.tls, name, transport).await.map_err(unreachable)?;
        }
        let max_bytes = max_document(&self.settings.get());
        let answer = exchange(transport, request(url, since), max_bytes).await;
        answer.map_err(|error| FetchError::exchange(&host, error))
    }

    /// The addresses of a host that may be connected to. They are what is connected to, so a name
    /// that changes its address after this gains nothing.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, FetchError> {
        let host = authority(url);
        let port = url.port_or_known_default().unwrap_or(80);
        let found = match url.host() {
            Some(Host::Ipv4(address)) => vec![(IpAddr::V4(address), port).into()],
            Some(Host::Ipv6(address)) => vec![(IpAddr::V6(address), port).into()],
            Some(Host::Domain(name)) => {
                let found = self.resolver.resolve(name.to_owned(), port).await;
                found.map_err(|source| FetchError::Unresolved { host: host.clone(), source })?
            }
            None => Vec::new(),
        };
        let guard = Guard::new(&self.settings.get());
        let any = !found.is_empty();
        let allowed: Vec<_> = found.into_iter().filter(|it| guard.allows(it.ip())).collect();
        if any && allowed.is_empty() {
            return Err(FetchError::Private { host });
        }
        Ok(allowed)
    }

    /// Whether an answer is one.
    fn judge(&self, host: &str, answer: Response<Bytes>) -> Result<Response<Bytes>, FetchError> {
        let status = answer.status();
        let fine =
            status == StatusCode::OK || status == StatusCode::NOT_MODIFIED || is_redirect(status);
        if fine {
            return Ok(answer);
        }
        let retry_after = retry_after(answer.headers(), self.clock.wall());
        Err(FetchError::Status { host: host.to_owned(), status, retry_after })
    }

    /// Where an answer leads, if it leads elsewhere.
    fn redirect(&self, from: &Url, answer: &Response<Bytes>) -> Result<Option<Url>, FetchError> {
        if !is_redirect(answer.status()) {
            return Ok(None);
        }
        let refused = |reason: String| FetchError::Redirect { host: authority(from), reason };
        let location = answer.headers().get(header::LOCATION).and_then(|it| it.to_str().ok());
        let location = location.ok_or_else(|| refused("there is none".to_owned()))?;
        let to = from.join(location).map_err(|error| refused(format!("`{location}`: {error}")))?;
        let to = feed_url(to.as_str()).map_err(|error| refused(error.to_string()))?;
        if from.scheme() == "https" && to.scheme() == "http" {
            return Err(refused("it leads from `https` to `http`".to_owned()));
        }
        Ok(Some(to))
    }

    async fn read(
        &self,
        url: Url,
        answer: Response<Bytes>,
        deadline: Instant,
    ) -> Result<Fetched, FetchError> {
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::NotModified);
        }
        let (parts, body) = answer.into_parts();
        let text = |name| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
        let validators =
            Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
        let encoding = text(header::CONTENT_ENCODING).unwrap_or_default();
        let body = match encoding.to_ascii_lowercase().as_str() {
            "" | "identity" => body,
            "gzip" | "x-gzip" => self.unpack(body, deadline).await?,
            _ => return Err(FetchError::Packed { encoding }),
        };
        Ok(Fetched::Document(FetchedDocument { url, body, validators }))
    }

    /// Unpacks on the worker pool, and stops at the limit: what a small document unpacks to may be
    /// a thousand times as large.
    async fn unpack(&self, packed: Bytes, deadline: Instant) -> Result<Bytes, FetchError> {
        let max_bytes = max_document(&self.settings.get());
        let left = deadline.saturating_duration_since(Instant::now());
        let job = self.pool.job("unpack").timeout(left);
        let unpacked = job.run(move |_job| gunzip(&packed, max_bytes)).await;
        unpacked.unwrap_or(Err(FetchError::Busy))
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

fn gunzip(packed: &[u8], max_bytes: usize) -> Result<Bytes, FetchError> {
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(packed).take(max_bytes as u64 + 1);
    let read = reader.read_to_end(&mut unpacked);
    read.map_err(|_| FetchError::Packed { encoding: "gzip".to_owned() })?;
    if unpacked.len() > max_bytes {
        return Err(FetchError::TooLarge { max_bytes });
    }
    Ok(unpacked.into())
}

/// A request that says nothing about us but that we are here: no trace, no deadline, no id.
fn request(url: &Url, since: &Validators) -> Request<Empty<Bytes>> {
    let mut target = url.path().to_owned();
    if let Some(query) = url.query() {
        target = format!("{target}?{query}");
    }
    let mut request = Request::new(Empty::new());
    // What the parser of addresses lets through is a path and a query.
    *request.uri_mut() = target.parse().unwrap_or_default();
    let headers = request.headers_mut();
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(header::HOST, &authority(url));
    if let Some(etag) = &since.etag {
        put(header::IF_NONE_MATCH, etag);
    }
    if let Some(moment) = &since.last_modified {
        put(header::IF_MODIFIED_SINCE, moment);
    }
    headers.insert(header::ACCEPT, ACCEPT);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::USER_AGENT, USER_AGENT);
    request
}

/// The host, and the port where it is not that of the scheme.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn max_document(settings: &FeedsSettings) -> usize {
    usize::try_from(settings.max_document.bytes()).unwrap_or(usize::MAX - 1)
}

/// How long a server wants to be left alone: in seconds, or until a date.
fn retry_after(headers: &HeaderMap, now: std::time::SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = httpdate::parse_http_date(text).ok()?;
    Some(moment.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests;
