use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

mod check;
mod rules;
mod text;

use self::{check::Fault, rules::rules_of};
use super::json::{self, json_value};
use crate::{FieldError, Json, Path, Problem, Query};

// Why no validator crate: its rules would stand beside the schema, which has them already and which
// the document shows; it would have to be told again what serde calls each field; and it sees only
// what has been deserialized, so a wrong type would hide every broken rule.

/// A body, a query or a path that is checked against the schema of its type before it is read.
///
/// The rules are those of the schema, so they are written once and the `OpenAPI` document has them
/// as well: `#[schemars(length(min = 1, max = 64))]`, `range(min = 0)`, `regex(pattern = "…")` on a
/// field, and `#[serde(deny_unknown_fields)]` on a struct. Whatever does not keep to them is told at
/// once, each by its place: wrong types, missing and unknown fields, and broken rules; 422 for a
/// body, 400 for a query or a path. What two fields have to do with each other is for the handler.
///
/// It reads a body twice over, first as JSON and then as a `T`. Without rules, [`Json`] alone is
/// enough; it names the first thing that is wrong. Of the keywords of JSON Schema, those are
/// checked that derived schemas have.
///
/// # Examples
///
/// ```
/// use framework_http::{Json, Valid};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct NewProduct {
///     #[schemars(length(min = 1, max = 64))]
///     sku: String,
///     #[schemars(range(min = 0))]
///     stock: i64,
/// }
///
/// async fn add(Valid(Json(new)): Valid<Json<NewProduct>>) -> String {
///     new.sku
/// }
/// # let _ = add;
///
/// let problem = Valid::<Json<NewProduct>>::from_slice(br#"{"sku":"","stok":1}"#).err().unwrap();
/// let text = problem.to_json();
/// for pointer in ["/sku", "/stock", "/stok"] {
///     assert!(text.contains(&format!(r#""pointer":"{pointer}""#)), "{text}");
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valid<E>(pub E);

impl<T> Valid<Json<T>>
where
    T: DeserializeOwned + JsonSchema + 'static,
{
    /// Reads JSON text and checks it.
    ///
    /// # Errors
    ///
    /// Returns the problem that a client would be told of: 400 if the text is not JSON, 422 if it
    /// does not keep to the schema of `T`.
    pub fn from_slice(text: &[u8]) -> Result<Self, Problem> {
        let value = json_value(text)?;
        let faults = rules_of::<T>().map_err(Problem::internal)?.check(&value);
        if faults.is_empty() {
            // What the schema does not say, the type may still refuse.
            return Json::from_value(value).map(Self);
        }
        Err(faults
            .iter()
            .fold(Problem::unprocessable().detail(json::OTHER_SHAPE), |problem, it| {
                problem.error(&FieldError::at(it.pointer(), &*it.detail))
            }))
    }
}

impl<T, S> FromRequest<S> for Valid<Json<T>>
where
    T: DeserializeOwned + JsonSchema + 'static,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        Self::from_slice(&json::text(request).await?)
    }
}

impl<T, S> FromRequestParts<S> for Valid<Query<T>>
where
    T: DeserializeOwned + JsonSchema + 'static,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let faults = check_text::<T>(|rules| text::object(rules, pairs))?;
        refuse("the query is not what this operation takes", &faults)?;
        Query::of(&parts.uri).map(Self)
    }
}

impl<T, S> FromRequestParts<S> for Valid<Path<T>>
where
    T: DeserializeOwned + JsonSchema + Send + 'static,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What is no text at all is refused where the path is read.
        if let Ok(params) = RawPathParams::from_request_parts(parts, state).await {
            let params: Vec<_> = params.iter().collect();
            let mut faults = check_text::<T>(|rules| text::path(rules, &params))?;
            for fault in &mut faults {
                fault.name_parameter(&params);
            }
            refuse("the path is not what this operation takes", &faults)?;
        }
        Path::from_request_parts(parts, state).await.map(Self)
    }
}

fn check_text<T: JsonSchema + 'static>(
    value: impl FnOnce(&rules::Rules) -> Value,
) -> Result<Vec<Fault>, Problem> {
    let rules = rules_of::<T>().map_err(Problem::internal)?;
    Ok(rules.check(&value(&rules)))
}

fn refuse(whole: &'static str, faults: &[Fault]) -> Result<(), Problem> {
    if faults.is_empty() {
        return Ok(());
    }
    let problem = Problem::bad_request().detail(whole);
    Err(faults.iter().fold(problem, |problem, fault| {
        let error = match fault.parameter() {
            Some(name) => FieldError::parameter(name, &*fault.detail),
            None => FieldError::new(&*fault.detail),
        };
        problem.error(&error)
    }))
}

#[cfg(test)]
mod tests;
