//! Answers that say their status in their type, so that whoever documents them need not be told.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::Json;

/// `201 Created`, with what was created as JSON and, if that is known, where it is.
///
/// # Examples
///
/// ```
/// use axum::response::IntoResponse;
/// use framework_http::{Created, Json, Problem};
///
/// async fn add(Json(name): Json<String>) -> Result<Created<String>, Problem> {
///     Ok(Created::new(name).at("/names/7"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let response = add(Json("Ada".to_owned())).await.unwrap().into_response();
/// assert_eq!(response.status(), 201);
/// assert_eq!(response.headers()["location"], "/names/7");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created<T> {
    value: T,
    location: Option<String>,
}

/// `204 No Content`: it worked, and there is nothing to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoContent;

/// `202 Accepted`, with what there is to tell now as JSON: it is done later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted<T>(pub T);

impl<T> Created<T> {
    /// Something that was created.
    pub fn new(value: T) -> Self {
        Self { value, location: None }
    }

    /// Says where it is, in the header `location`. What no header can hold is left out.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.value)).into_response();
        if let Some(Ok(location)) = self.location.map(HeaderValue::try_from) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}
