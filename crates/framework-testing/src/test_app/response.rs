use std::fmt;

use axum::{
    body::Body,
    http::{HeaderMap, Response, StatusCode, header},
};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A response whose body has come to its end.
///
/// What it is asked for and does not have is a panic with the request, the status and the body.
#[derive(Clone)]
pub struct TestResponse {
    request: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl TestResponse {
    pub(super) async fn read(request: String, response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(error) => panic!("{request}: the body broke off: {error}"),
        };
        Self { request, status: parts.status, headers: parts.headers, body }
    }

    /// The status, which compares with a number: `assert_eq!(response.status(), 201)`.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// One header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// Panics if it is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("the body is not text: {error}\n{self}"),
        }
    }

    /// The body, read as JSON.
    ///
    /// # Panics
    ///
    /// Panics if it is not a `T`.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => {
                panic!("the body is no `{}`: {error}\n{self}", std::any::type_name::<T>())
            }
        }
    }

    /// Insists on a status, and gives the response back for more.
    ///
    /// # Panics
    ///
    /// Panics if the status is another.
    #[allow(clippy::must_use_candidate, reason = "the assertion is the use")]
    #[track_caller]
    pub fn assert_status(&self, expected: u16) -> &Self {
        assert!(self.status == expected, "expected {expected}\n{self}");
        self
    }

    /// Insists that this is a problem document (RFC 9457) with this status, and gives the document
    /// back for more.
    ///
    /// # Panics
    ///
    /// Panics if it is not.
    #[track_caller]
    pub fn assert_problem(&self, status: u16) -> Value {
        self.assert_status(status);
        let kind = self.header(header::CONTENT_TYPE.as_str());
        assert!(kind == Some("application/problem+json"), "no problem document\n{self}");
        let document: Value = self.json();
        assert!(document["status"] == status, "the document has another status\n{self}");
        assert!(document["title"].is_string(), "the document has no title\n{self}");
        document
    }
}

/// The request, the status and the body.
impl fmt::Display for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.request, self.status)?;
        match String::from_utf8_lossy(&self.body) {
            body if body.is_empty() => Ok(()),
            body => write!(f, "\n{body}"),
        }
    }
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestResponse")
            .field("request", &self.request)
            .field("status", &self.status)
            .field("body", &String::from_utf8_lossy(&self.body))
            .finish_non_exhaustive()
    }
}
