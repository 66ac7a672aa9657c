use std::borrow::Cow;

use axum::{
    body::Bytes,
    response::{Html, Response},
};
use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;

use super::ApiOperation;
use crate::{Accepted, Created, Json, NoContent, Problem};

/// What the answer of a handler says of itself.
///
/// An error of one's own lists the problem documents that it becomes; then the document has exactly
/// these.
///
/// # Examples
///
/// ```
/// use axum::response::{IntoResponse, Response};
/// use framework_http::{Problem, openapi::{ApiOperation, ApiOutput}};
/// use http::StatusCode;
///
/// enum NotAdded {
///     Taken,
/// }
///
/// impl IntoResponse for NotAdded {
///     fn into_response(self) -> Response {
///         Problem::conflict().detail("the name is taken").into_response()
///     }
/// }
///
/// impl ApiOutput for NotAdded {
///     fn describe(operation: &mut ApiOperation<'_>) {
///         operation.problem(StatusCode::CONFLICT, "the name is taken");
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what it answers",
    note = "an answer with a status of its own is `Created<T>`, `Accepted<T>` or `NoContent`",
    note = "implement `ApiOutput` for an error or an answer of your own"
)]
pub trait ApiOutput {
    /// Says what may be answered.
    fn describe(operation: &mut ApiOperation<'_>);
}

impl ApiOutput for () {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.answer(StatusCode::OK, "it worked");
    }
}

impl<T: JsonSchema> ApiOutput for Json<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.json::<T>(StatusCode::OK, "it worked");
    }
}

impl<T: JsonSchema> ApiOutput for axum::Json<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.json::<T>(StatusCode::OK, "it worked");
    }
}

impl<T: JsonSchema> ApiOutput for Created<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.json::<T>(StatusCode::CREATED, "it was created");
        operation.answer_header(StatusCode::CREATED, "location", "where it is");
    }
}

impl<T: JsonSchema> ApiOutput for Accepted<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.json::<T>(StatusCode::ACCEPTED, "it is done later");
    }
}

impl ApiOutput for NoContent {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.answer(StatusCode::NO_CONTENT, "it worked");
    }
}

impl ApiOutput for String {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.text(StatusCode::OK, "it worked");
    }
}

impl ApiOutput for &'static str {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.text(StatusCode::OK, "it worked");
    }
}

impl ApiOutput for Cow<'static, str> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.text(StatusCode::OK, "it worked");
    }
}

impl<T> ApiOutput for Html<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.media(StatusCode::OK, "text/html", "a page");
    }
}

impl ApiOutput for Bytes {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.media(StatusCode::OK, "application/octet-stream", "it worked");
    }
}

/// Any status, known only when it is given.
impl ApiOutput for StatusCode {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.anything();
    }
}

/// Anything at all.
impl ApiOutput for Response {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.anything();
    }
}

/// Some problem: which ones, the route says, or an error type of one's own.
impl ApiOutput for Problem {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.any_problem();
    }
}

impl<T: ApiOutput, E: ApiOutput> ApiOutput for Result<T, E> {
    fn describe(operation: &mut ApiOperation<'_>) {
        T::describe(operation);
        E::describe(operation);
    }
}

/// Headers change nothing about what else is answered.
impl<T: ApiOutput> ApiOutput for (HeaderMap, T) {
    fn describe(operation: &mut ApiOperation<'_>) {
        T::describe(operation);
    }
}

impl<K, V, const N: usize, T: ApiOutput> ApiOutput for ([(K, V); N], T) {
    fn describe(operation: &mut ApiOperation<'_>) {
        T::describe(operation);
    }
}
