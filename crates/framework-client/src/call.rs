use std::{fmt, time::Duration};

use bytes::Bytes;
use framework_core::BoxError;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{Answer, CallError, Client, headers::IDEMPOTENCY_KEY, send};

/// One call, not yet made.
#[must_use = "a call is made by `send`, `json` or `text`"]
pub struct Call {
    pub(crate) client: Client,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) timeout: Duration,
    pub(crate) deadline: Option<Instant>,
    // The first thing that was wrong with it.
    pub(crate) fault: Option<BoxError>,
}

/// A call whose body is still to be given.
#[must_use = "a call is made once it has a body: see `json`, `body` and `empty`"]
pub struct Draft(Call);

// ===== impl Draft =====

impl Draft {
    pub(crate) fn new(call: Call) -> Self {
        Self(call)
    }

    /// The call with `body` as JSON.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Call {
        let mut call = self.0;
        match serde_json::to_vec(body) {
            Ok(body) => call.body = body.into(),
            Err(error) => call.fault(error.into()),
        }
        call.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// The call with `body` as it is, of the type `content_type`.
    pub fn body(self, content_type: HeaderValue, body: impl Into<Bytes>) -> Call {
        let mut call = self.0;
        call.body = body.into();
        call.header(header::CONTENT_TYPE, content_type)
    }

    /// The call without a body.
    pub fn empty(self) -> Call {
        self.0
    }
}

// ===== impl Call =====

impl Call {
    pub(crate) fn new(client: &Client, method: Method, url: &str) -> Self {
        let timeout = client.settings().timeout;
        let base = client.settings().base_url.trim_end_matches('/');
        let is_whole = url.starts_with("http://") || url.starts_with("https://");
        let url = match (is_whole, url.starts_with('/') || url.is_empty()) {
            (true, _) => url.to_owned(),
            (false, true) => format!("{base}{url}"),
            (false, false) => format!("{base}/{url}"),
        };
        Self {
            client: client.clone(),
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout,
            deadline: None,
            fault: None,
        }
    }

    fn fault(&mut self, fault: BoxError) {
        self.fault.get_or_insert(fault);
    }

    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds `query` to the address, as `?name=value&…`.
    pub fn query<T: Serialize + ?Sized>(mut self, query: &T) -> Self {
        match serde_urlencoded::to_string(query) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => {
                self.url.push(if self.url.contains('?') { '&' } else { '?' });
                self.url.push_str(&text);
            }
            Err(error) => self.fault(error.into()),
        }
        self
    }

    /// Names what the call does, so that whoever is called does it once however often it comes.
    /// The call may then be tried again, whatever its method is. A key is unique to one intention:
    /// the id of an order, not of an attempt to pay for it.
    pub fn idempotency_key(mut self, key: &str) -> Self {
        match HeaderValue::from_str(key) {
            Ok(value) if !value.is_empty() => {
                self.headers.insert(IDEMPOTENCY_KEY, value);
            }
            Ok(_) => self.fault("an idempotency key must not be empty".into()),
            Err(error) => self.fault(error.into()),
        }
        self
    }

    /// Sets how long the call may take, all its tries included. Defaults to the client's `timeout`.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets when nobody waits for the answer any longer. The deadline of the request that is being
    /// handled counts without being set, except in tasks that were spawned.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Makes the call. An answer is an answer, whatever its status.
    ///
    /// # Errors
    ///
    /// Returns an error if the call cannot be sent, is not answered in time or not in full, or if
    /// its answer is too large.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the call up; whoever is called may have done what it asks.
    pub async fn send(self) -> Result<Answer, CallError> {
        send::send(self).await.map(|(_, answer)| answer)
    }

    /// Makes the call, and reads the answer as JSON.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and if the answer is no success or not what a `T` is read from.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, CallError> {
        let (call, answer) = send::succeed(self).await?;
        let read = serde_json::from_slice(answer.body());
        read.map_err(|error| CallError::Decode { call, source: error.into() })
    }

    /// Makes the call, and reads the answer as text.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and if the answer is no success or not UTF-8.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn text(self) -> Result<String, CallError> {
        let (call, answer) = send::succeed(self).await?;
        let text = String::from_utf8(answer.into_body().into());
        text.map_err(|error| CallError::Decode { call, source: error.into() })
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither headers nor query: both may hold secrets.
        f.debug_struct("Call")
            .field("client", &self.client.name())
            .field("method", &self.method)
            .field("url", &self.url.split('?').next())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Draft").field(&self.0).finish()
    }
}
