//! What went wrong, as a document that programs and people can read (RFC 9457).

use std::{borrow::Cow, fmt};

use axum::response::{IntoResponse, Response};
use framework_core::{BoxError, Chain};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

/// The media type of a problem document.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error response as RFC 9457 describes it: the one form in which errors leave an application.
///
/// It never says more than what was put into it. For an error that is nobody's business,
/// [`Problem::internal`] writes the error to the log and tells the client only that there was one.
///
/// # Examples
///
/// ```
/// use axum::{extract::Path, response::IntoResponse};
/// use framework_http::Problem;
///
/// async fn show(Path(id): Path<u64>) -> Result<String, Problem> {
///     let known = id == 1;
///     known.then(|| "a teapot".to_owned()).ok_or_else(|| {
///         Problem::not_found().detail(format!("there is no product {id}")).extension("id", id)
///     })
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let problem = show(Path(7)).await.unwrap_err();
/// assert_eq!(
///     problem.to_json(),
///     r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"there is no product 7","id":7}"#,
/// );
/// assert_eq!(problem.into_response().headers()["content-type"], "application/problem+json");
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a problem tells nobody until it is returned"]
pub struct Problem {
    // Boxed: a `Result` is as large as its larger side, and most requests go well.
    document: Box<Document>,
    cause: Option<BoxError>,
}

#[derive(Clone, Debug)]
pub(crate) struct Document {
    status: StatusCode,
    type_uri: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    instance: Option<String>,
    extensions: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// One thing that is wrong with what a client sent, in the `errors` of a problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldError {
    /// Where in a JSON body, as a JSON Pointer (RFC 6901): `/items/0/quantity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which parameter of the path or the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong, for people.
    pub detail: String,
    /// The line in the body, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

// ===== impl Problem =====

macro_rules! statuses {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:ident;)+) => {
        impl Problem {
            $($(#[doc = $doc])+
            pub fn $name() -> Self {
                Self::new(StatusCode::$status)
            })+
        }
    };
}

statuses! {
    /// `400 Bad Request`: what came is not what the protocol or the format asks for.
    bad_request = BAD_REQUEST;
    /// `401 Unauthorized`: nobody is logged in.
    unauthorized = UNAUTHORIZED;
    /// `403 Forbidden`: whoever is logged in may not do this.
    forbidden = FORBIDDEN;
    /// `404 Not Found`.
    not_found = NOT_FOUND;
    /// `409 Conflict`: it does not fit the state of things; out of stock, for instance.
    conflict = CONFLICT;
    /// `413 Content Too Large`.
    too_large = PAYLOAD_TOO_LARGE;
    /// `415 Unsupported Media Type`.
    unsupported_media_type = UNSUPPORTED_MEDIA_TYPE;
    /// `422 Unprocessable Content`: well formed, and not what is asked for.
    unprocessable = UNPROCESSABLE_ENTITY;
    /// `429 Too Many Requests`.
    too_many_requests = TOO_MANY_REQUESTS;
    /// `503 Service Unavailable`: it may well work later.
    unavailable = SERVICE_UNAVAILABLE;
}

impl Problem {
    /// A problem with `status`, whose title is what HTTP calls that status.
    pub fn new(status: StatusCode) -> Self {
        let document = Document {
            status,
            type_uri: None,
            title: None,
            detail: None,
            instance: None,
            extensions: Map::new(),
            headers: Vec::new(),
        };
        Self { document: Box::new(document), cause: None }
    }

    /// `500 Internal Server Error`. The error and its causes go to the log when the response is
    /// made; the client is told nothing but the request's id, by which the log entry is found.
    pub fn internal(error: impl Into<BoxError>) -> Self {
        let problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR).detail(
            "something went wrong on our side; whoever runs this service finds it in the log",
        );
        problem.cause(error)
    }

    /// Keeps the error that led to this for the log; the client never sees it.
    pub fn cause(mut self, error: impl Into<BoxError>) -> Self {
        self.cause = Some(error.into());
        self
    }

    /// Sets the kind of problem, a URI that programs compare. Defaults to `about:blank`, which
    /// says that the status is all there is to know.
    pub fn type_uri(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.document.type_uri = Some(uri.into());
        self
    }

    /// Sets the name of the kind of problem, the same for all of its occurrences. Defaults to
    /// what HTTP calls the status.
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.document.title = Some(title.into());
        self
    }

    /// Says what is wrong this time, so that the client can put it right.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.document.detail = Some(detail.into());
        self
    }

    /// Sets the URI that identifies this occurrence.
    pub fn instance(mut self, uri: impl Into<String>) -> Self {
        self.document.instance = Some(uri.into());
        self
    }

    /// Adds a member of the document's own. The names that RFC 9457 defines are left alone.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.document.extend(name.into(), value.into());
        self
    }

    /// Adds one thing that is wrong with what the client sent.
    #[expect(clippy::missing_panics_doc, reason = "it cannot: strings and numbers are JSON")]
    pub fn error(mut self, error: &FieldError) -> Self {
        let value = serde_json::to_value(error).expect("strings and numbers are JSON");
        let errors =
            self.document.extensions.entry("errors").or_insert_with(|| Value::Array(vec![]));
        if let Value::Array(errors) = errors {
            errors.push(value);
        }
        self
    }

    /// Adds a header to the response, such as `Retry-After`.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.document.headers.push((name, value));
        self
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.document.status
    }

    /// The document as clients get it, but for the request's id, which only servers know.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.document.to_json()
    }

    fn log_cause(&self) {
        let Some(cause) = &self.cause else { return };
        let (status, error) = (self.document.status.as_u16(), Chain(cause.as_ref()));
        if self.document.status.is_server_error() {
            tracing::error!(status, %error, "a request failed");
        } else {
            tracing::debug!(status, %error, "a request was refused");
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log_cause();
        self.document.into_response()
    }
}

/// For functions that fail with something of their own: it is nobody's business.
impl From<BoxError> for Problem {
    fn from(error: BoxError) -> Self {
        Self::internal(error)
    }
}

impl From<StatusCode> for Problem {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}

/// Shows what the client is told, in one line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.document.status.as_u16(), self.document.title())?;
        self.document.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

/// The cause is what the client does not see.
impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause.as_ref() as _)
    }
}

// ===== impl Document =====

impl Document {
    pub(crate) fn extend(&mut self, name: String, value: Value) {
        if !matches!(name.as_str(), "type" | "title" | "status" | "detail" | "instance") {
            self.extensions.insert(name, value);
        }
    }

    fn title(&self) -> &str {
        let of_status = || self.status.canonical_reason().unwrap_or("Error");
        self.title.as_deref().unwrap_or_else(of_status)
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a map with text keys is JSON")
    }
}

impl IntoResponse for Box<Document> {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        response.headers_mut().extend(self.headers.iter().cloned());
        // The stack adds what it knows of the request, and makes the response anew.
        response.extensions_mut().insert(self);
        response
    }
}

/// The members in the order of RFC 9457, then the extensions by name.
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.type_uri.as_deref().unwrap_or("about:blank"))?;
        map.serialize_entry("title", self.title())?;
        map.serialize_entry("status", &self.status.as_u16())?;
        if let Some(detail) = &self.detail {
            map.serialize_entry("detail", detail)?;
        }
        if let Some(instance) = &self.instance {
            map.serialize_entry("instance", instance)?;
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

// ===== impl FieldError =====

impl FieldError {
    /// Something wrong in a JSON body, at a JSON Pointer; the empty pointer is the whole body.
    #[must_use]
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..Self::new(detail) }
    }

    /// Something wrong with a parameter of the path or the query.
    #[must_use]
    pub fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { parameter: Some(name.into()), ..Self::new(detail) }
    }

    /// Something wrong that has no place.
    #[must_use]
    pub fn new(detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: None, detail: detail.into(), line: None, column: None }
    }

    /// Adds the position in the text, both from 1.
    #[must_use]
    pub fn position(mut self, line: usize, column: usize) -> Self {
        (self.line, self.column) = (Some(line), Some(column));
        self
    }
}

#[cfg(test)]
mod tests;
