use axum::extract::FromRequestParts;
use http::{Uri, request::Parts};
use serde::de::DeserializeOwned;

use super::{bad_parameter, parameter};
use crate::Problem;

/// The parameters after the `?`.
///
/// Takes the place of `axum::extract::Query`; its refusals are problem documents with status 400
/// that name the parameter.
///
/// # Examples
///
/// ```
/// use framework_http::Query;
///
/// #[derive(serde::Deserialize)]
/// struct Page {
///     limit: u32,
/// }
///
/// let Query(page) = Query::<Page>::of(&"/products?limit=20".parse()?)?;
/// assert_eq!(page.limit, 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> Query<T> {
    /// Reads the parameters of `uri`.
    ///
    /// # Errors
    ///
    /// Returns the problem that a client would be told of if they are no `T`.
    pub fn of(uri: &Uri) -> Result<Self, Problem> {
        let pairs = serde_urlencoded::Deserializer::new(form(uri.query().unwrap_or_default()));
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            let name = parameter(error.path());
            bad_parameter("the query is not what this operation takes", name, error.inner())
        })
    }
}

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

fn form(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}
