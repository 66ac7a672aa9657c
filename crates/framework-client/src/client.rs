use std::{fmt, sync::Arc};

use bytes::Bytes;
use framework_observability::HttpClientMetrics;
use http::Method;
use http_body_util::Full;
use hyper_util::{client::legacy, rt::TokioTimer};
use tokio_util::sync::DropGuard;

use crate::{
    Call, ClientError, ClientSettings, Draft, Randomness,
    connect::{Connector, Dial, tcp},
    random::Scattered,
    retry::RetryPolicy,
    tasks::ConnectionTasks,
};

/// Calls another service over HTTP/1.1. Cheap to clone: clones share connections and the budget of
/// retries.
///
/// Dropping the last clone closes its connections.
///
/// # Examples
///
/// ```no_run
/// use framework_client::{Client, ClientSettings};
///
/// #[derive(serde::Deserialize)]
/// struct Product {
///     name: String,
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let catalog = Client::new("catalog", ClientSettings::at("http://catalog:8080"))?;
/// let product: Product = catalog.get("/products/7").json().await?;
/// println!("{}", product.name);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) type Pool = legacy::Client<Connector, Full<Bytes>>;

pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) settings: ClientSettings,
    pub(crate) pool: Pool,
    pub(crate) retries: RetryPolicy,
    pub(crate) metrics: Option<HttpClientMetrics>,
    _ends_connections: DropGuard,
}

/// Makes a [`Client`]: see [`Client::builder`].
pub struct ClientBuilder {
    name: String,
    settings: ClientSettings,
    random: Box<dyn Randomness>,
    metrics: Option<HttpClientMetrics>,
    dial: Dial,
}

// ===== impl Client =====

impl Client {
    /// The client called `name`, which is what errors and the log call it.
    ///
    /// # Errors
    ///
    /// Returns an error if a setting makes no sense, and with the feature `tls` if the certificates
    /// that the system trusts cannot be read.
    pub fn new(name: impl Into<String>, settings: ClientSettings) -> Result<Self, ClientError> {
        Self::builder(name, settings).build()
    }

    /// As [`new`](Self::new), with more to choose.
    #[must_use]
    pub fn builder(name: impl Into<String>, settings: ClientSettings) -> ClientBuilder {
        ClientBuilder {
            name: name.into(),
            settings,
            random: Box::new(Scattered::new()),
            metrics: None,
            dial: tcp(),
        }
    }

    /// The name of the client.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The settings that it goes by.
    #[must_use]
    pub fn settings(&self) -> &ClientSettings {
        &self.shared.settings
    }

    /// A GET of `url`: a path behind `base_url` such as `/products/7`, or a whole address, which
    /// begins with `http://` or `https://`.
    pub fn get(&self, url: impl AsRef<str>) -> Call {
        Call::new(self, Method::GET, url.as_ref())
    }

    /// A HEAD of `url`.
    pub fn head(&self, url: impl AsRef<str>) -> Call {
        Call::new(self, Method::HEAD, url.as_ref())
    }

    /// A DELETE of `url`.
    pub fn delete(&self, url: impl AsRef<str>) -> Call {
        Call::new(self, Method::DELETE, url.as_ref())
    }

    /// A POST to `url`, which still gets its body. Without an
    /// [`idempotency_key`](Call::idempotency_key) it is never tried again.
    pub fn post(&self, url: impl AsRef<str>) -> Draft {
        self.draft(Method::POST, url)
    }

    /// A PUT to `url`, which still gets its body.
    pub fn put(&self, url: impl AsRef<str>) -> Draft {
        self.draft(Method::PUT, url)
    }

    /// A PATCH of `url`, which still gets its body. Without an
    /// [`idempotency_key`](Call::idempotency_key) it is never tried again.
    pub fn patch(&self, url: impl AsRef<str>) -> Draft {
        self.draft(Method::PATCH, url)
    }

    /// A call with any method, which still gets its body.
    pub fn draft(&self, method: Method, url: impl AsRef<str>) -> Draft {
        Draft::new(Call::new(self, method, url.as_ref()))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.shared.name)
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

// ===== impl ClientBuilder =====

impl ClientBuilder {
    /// Sets where the pauses between tries get their randomness from. Defaults to one that differs
    /// with each client.
    #[must_use]
    pub fn randomness(mut self, random: impl Randomness) -> Self {
        self.random = Box::new(random);
        self
    }

    /// Sets where calls are counted. Defaults to nowhere.
    #[must_use]
    pub fn metrics(mut self, metrics: HttpClientMetrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Sets what opens connections.
    #[cfg(test)]
    pub(crate) fn dial(mut self, dial: Dial) -> Self {
        self.dial = dial;
        self
    }

    /// Makes the client. It connects with its first call.
    ///
    /// # Errors
    ///
    /// Returns an error if a setting makes no sense, and with the feature `tls` if the certificates
    /// that the system trusts cannot be read.
    pub fn build(self) -> Result<Client, ClientError> {
        let Self { name, settings, random, metrics, dial } = self;
        if let Some(&(key, what)) = settings.faults().first() {
            return Err(ClientError::Setting { client: name, key, what });
        }
        let connector = Connector {
            dial,
            limit: settings.connect_timeout,
            #[cfg(feature = "tls")]
            tls: tls_for(&name, &settings)?,
        };
        let (tasks, ends_connections) = ConnectionTasks::new();
        let pool = legacy::Client::builder(tasks)
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(settings.max_idle)
            .build(connector);
        let retries = RetryPolicy::new(settings.retry, random);
        let shared =
            Shared { name, settings, pool, retries, metrics, _ends_connections: ends_connections };
        Ok(Client { shared: Arc::new(shared) })
    }
}

/// A client of one service in plain text needs no certificates.
#[cfg(feature = "tls")]
fn tls_for(
    name: &str,
    settings: &ClientSettings,
) -> Result<Option<crate::connect::Tls>, ClientError> {
    if settings.base_url.starts_with("http://") {
        return Ok(None);
    }
    let found = crate::connect::Tls::of_system().map(Some);
    found.map_err(|source| ClientError::Certificates { client: name.to_owned(), source })
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
