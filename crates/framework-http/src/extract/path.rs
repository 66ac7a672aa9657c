use std::future::{Future, ready};

use axum::extract::{FromRequestParts, RawPathParams, path::ErrorKind, rejection::PathRejection};
use futures_util::FutureExt as _;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::bad_parameter;
use crate::Problem;

/// The parameters in the path.
///
/// Takes the place of `axum::extract::Path`; its refusals are problem documents with status 400
/// that name the parameter.
///
/// # Examples
///
/// ```
/// use framework_http::Path;
///
/// async fn show(Path(id): Path<u64>) -> String {
///     format!("product {id}")
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    // Nothing is waited for: what is asked at once leaves no room in the future of the handler,
    // which is moved with every request.
    fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Self, Problem>> + Send {
        ready(match axum::extract::Path::from_request_parts(parts, state).now_or_never() {
            Some(Ok(axum::extract::Path(value))) => Ok(Self(value)),
            Some(Err(PathRejection::FailedToDeserializePathParams(error))) => {
                Err(problem(error.into_kind(), &names(parts, state)))
            }
            Some(Err(other)) => Err(Problem::internal(other)),
            None => Err(Problem::internal("the parameters in the path are not there at once")),
        })
    }
}

/// The names of the parameters of the route, first to last.
fn names<S: Send + Sync>(parts: &mut Parts, state: &S) -> Vec<String> {
    let params = RawPathParams::from_request_parts(parts, state).now_or_never();
    params
        .and_then(Result::ok)
        .map_or_else(Vec::new, |params| params.iter().map(|(name, _)| name.to_owned()).collect())
}

fn problem(kind: ErrorKind, names: &[String]) -> Problem {
    let (name, detail) = match kind {
        ErrorKind::ParseErrorAtKey { key, value, expected_type } => {
            (Some(key), format!("`{value}` is no `{expected_type}`"))
        }
        ErrorKind::ParseErrorAtIndex { index, value, expected_type } => {
            (names.get(index).cloned(), format!("`{value}` is no `{expected_type}`"))
        }
        ErrorKind::ParseError { value, expected_type } => {
            (names.first().cloned(), format!("`{value}` is no `{expected_type}`"))
        }
        ErrorKind::DeserializeError { key, message, .. } => (Some(key), message),
        ErrorKind::InvalidUtf8InPathParam { key } => (Some(key), "is not UTF-8".to_owned()),
        ErrorKind::Message(message) => (None, message),
        // The handler asks for other parameters than its route has: a mistake of ours.
        other => return Problem::internal(other.to_string()),
    };
    bad_parameter("the path is not what this operation takes", name, detail)
}
