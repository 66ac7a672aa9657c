use axum::{
    body::Body,
    extract::{FromRequest, OptionalFromRequest, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use super::{MISSING, UNKNOWN, body, is_unknown, missing, pointer, step};
use crate::{FieldError, Problem};

/// What is wrong as a whole with JSON that does not fit.
pub(super) const OTHER_SHAPE: &str = "the body is JSON, and not what this operation takes";

/// A JSON body, in and out.
///
/// Takes the place of `axum::Json`; its refusals are problem documents that name the field and
/// the position: 415 for another content type, 400 for what is not JSON, 422 for JSON of another
/// shape, 413 for too much of it.
///
/// # Examples
///
/// ```
/// use framework_http::{Json, Problem};
///
/// #[derive(serde::Deserialize)]
/// struct NewProduct {
///     name: String,
/// }
///
/// async fn create(Json(new): Json<NewProduct>) -> Result<Json<String>, Problem> {
///     Ok(Json(new.name))
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> Json<T>
where
    T: DeserializeOwned,
{
    /// Reads JSON text.
    ///
    /// # Errors
    ///
    /// Returns the problem that a client would be told of: 400 if the text is not JSON, 422 if it
    /// is no `T`.
    pub fn from_slice(text: &[u8]) -> Result<Self, Problem> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let value = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| problem(error.inner(), &pointer(error.path())))?;
        deserializer.end().map_err(|error| problem(&error, ""))?;
        Ok(Self(value))
    }

    /// Reads what was JSON text already.
    #[cfg(feature = "validation")]
    pub(super) fn from_value(value: serde_json::Value) -> Result<Self, Problem> {
        serde_path_to_error::deserialize(value).map(Self).map_err(|error| {
            let pointer = pointer(error.path());
            other_shape(&pointer, &error.inner().to_string(), None)
        })
    }
}

/// Reads JSON text of any shape.
#[cfg(feature = "validation")]
pub(super) fn json_value(text: &[u8]) -> Result<serde_json::Value, Problem> {
    serde_json::from_slice(text).map_err(|error| problem(&error, ""))
}

/// The body of a request that says that it is JSON.
pub(super) async fn text(request: Request) -> Result<Bytes, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::unsupported_media_type()
            .detail("the body must be JSON, with `content-type: application/json`"));
    }
    body::read(request).await
}

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        Self::from_slice(&text(request).await?)
    }
}

/// `None` where there is no content type, and so no body.
impl<T, S> OptionalFromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if request.headers().contains_key(header::CONTENT_TYPE) {
            <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        match serde_json::to_vec(&self.0) {
            // Not by way of a tuple: the text would get a content type of its own first.
            Ok(text) => {
                let mut response = Response::new(Body::from(text));
                response.headers_mut().insert(header::CONTENT_TYPE, JSON);
                response
            }
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

impl<T> From<T> for Json<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn problem(error: &serde_json::Error, pointer: &str) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    // The position has members of its own.
    let position = format!(" at line {line} column {column}");
    let detail = text.strip_suffix(&position).unwrap_or(&text);
    match error.classify() {
        Category::Data => other_shape(pointer, detail, Some((line, column))),
        Category::Io | Category::Syntax | Category::Eof => Problem::bad_request()
            .detail("the body is not JSON")
            .error(&FieldError::new(detail).position(line, column)),
    }
}

fn other_shape(pointer: &str, detail: &str, position: Option<(usize, usize)>) -> Problem {
    let error = match position {
        Some((line, column)) => named(pointer, detail).position(line, column),
        None => named(pointer, detail),
    };
    Problem::unprocessable().detail(OTHER_SHAPE).error(&error)
}

/// A field that is missing is told about by what should hold it; one that is unknown, by itself.
fn named(pointer: &str, detail: &str) -> FieldError {
    match (missing(detail), is_unknown(detail)) {
        (Some(name), _) => FieldError::at(format!("{pointer}{}", step(name)), MISSING),
        (None, true) => FieldError::at(pointer, UNKNOWN),
        (None, false) => FieldError::at(pointer, detail),
    }
}
