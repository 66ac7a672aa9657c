use axum::{
    body::{Body, Bytes},
    extract::{self, RawPathParams, RawQuery, Request},
};
use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version};
use schemars::JsonSchema;

use super::ApiOperation;
use crate::{Deadline, Dep, Json, Path, Query, RequestId, RequestScope, ShutdownSignal};

/// What an argument of a handler says about the request that it reads.
///
/// Say nothing for an extractor that reads nothing which a client sends on purpose:
/// `impl ApiInput for CurrentUser {}`.
///
/// # Examples
///
/// ```
/// use framework_http::openapi::{ApiInput, ApiOperation};
///
/// /// The language in which a client wants its answer.
/// struct Language(String);
///
/// impl ApiInput for Language {
///     fn describe(operation: &mut ApiOperation<'_>) {
///         operation.header::<String>("accept-language", false, "the language of the answer");
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what it reads of a request",
    note = "implement `ApiInput` for it; the body may be empty if it reads nothing that matters"
)]
pub trait ApiInput {
    /// Says what is read.
    fn describe(operation: &mut ApiOperation<'_>) {
        let _ = operation;
    }
}

/// These read nothing that a client would have to know of.
macro_rules! silent {
    ($($kind:ty),+ $(,)?) => {
        $(impl ApiInput for $kind {})+
    };
}

silent!(
    Deadline,
    Extensions,
    HeaderMap,
    Method,
    RawPathParams,
    RawQuery,
    RequestId,
    RequestScope,
    ShutdownSignal,
    Uri,
    Version,
);

impl<S> ApiInput for extract::State<S> {}

impl<T: ?Sized> ApiInput for Dep<T> {}

impl<T> ApiInput for axum::Extension<T> {}

impl<T> ApiInput for extract::ConnectInfo<T> {}

impl<T: JsonSchema> ApiInput for Path<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.path_parameters::<T>();
        operation.problem(StatusCode::BAD_REQUEST, "the path is not what this operation takes");
    }
}

impl<T: JsonSchema> ApiInput for extract::Path<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.path_parameters::<T>();
        operation.text(StatusCode::BAD_REQUEST, "the path is not what this operation takes");
    }
}

impl<T: JsonSchema> ApiInput for Query<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.query_parameters::<T>();
        operation.problem(StatusCode::BAD_REQUEST, "the query is not what this operation takes");
    }
}

impl<T: JsonSchema> ApiInput for extract::Query<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.query_parameters::<T>();
        operation.text(StatusCode::BAD_REQUEST, "the query is not what this operation takes");
    }
}

impl<T: JsonSchema> ApiInput for Json<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.json_body::<T>(true);
        json_problems(operation);
    }
}

impl<T: JsonSchema> ApiInput for Option<Json<T>> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.json_body::<T>(false);
        json_problems(operation);
    }
}

impl<T: JsonSchema> ApiInput for axum::Json<T> {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.json_body::<T>(true);
        operation.text(StatusCode::BAD_REQUEST, "the body is not JSON");
        operation.text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not said to be JSON");
        operation
            .text(StatusCode::UNPROCESSABLE_ENTITY, "the body is not what this operation takes");
    }
}

#[cfg(feature = "validation")]
impl<E: ApiInput> ApiInput for crate::Valid<E> {
    fn describe(operation: &mut ApiOperation<'_>) {
        E::describe(operation);
    }
}

impl ApiInput for String {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.body("text/plain", true);
    }
}

impl ApiInput for Bytes {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.body("application/octet-stream", true);
    }
}

impl ApiInput for Body {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.body("*/*", false);
    }
}

impl ApiInput for Request {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.body("*/*", false);
    }
}

fn json_problems(operation: &mut ApiOperation<'_>) {
    operation.problem(StatusCode::BAD_REQUEST, "the body is not JSON");
    operation.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not said to be JSON");
    operation
        .problem(StatusCode::UNPROCESSABLE_ENTITY, "the body is not what this operation takes");
}
