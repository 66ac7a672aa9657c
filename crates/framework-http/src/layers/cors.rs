use std::time::Duration;

use framework_config::{Faults, Settings, duration};
use http::{HeaderName, HeaderValue, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::layer_module;

/// Which pages of other origins may use the application: section `cors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CorsSettings {
    /// The origins, as `https://shop.example`; `*` alone stands for all of them.
    pub origins: Vec<String>,
    /// The methods that they may use.
    pub methods: Vec<String>,
    /// The headers that they may send.
    pub headers: Vec<String>,
    /// The headers of responses that they may read.
    pub expose: Vec<String>,
    /// Whether browsers send cookies along. Not together with the origin `*`.
    pub credentials: bool,
    /// How long browsers may remember all this.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub max_age: Duration,
}

layer_module! {
    /// Lets pages of other origins use the application, as far as its settings say; by default no
    /// page may.
    CorsModule(CorsSettings) = "http-cors", "cors", Outer, |settings| Ok(settings.layer()?)
}

/// A setting for other origins is none that HTTP knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` holds `{value}`, which {why}")]
#[non_exhaustive]
pub struct CorsError {
    /// The key.
    pub key: &'static str,
    /// What it holds.
    pub value: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Default for CorsSettings {
    fn default() -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            origins: Vec::new(),
            methods: owned(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            headers: owned(&["content-type", "authorization", "idempotency-key"]),
            expose: owned(&["x-request-id"]),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

impl Settings for CorsSettings {
    fn validate(&self, faults: &mut Faults) {
        if let Err(error) = self.layer() {
            faults.add(error.key, format!("`{}` {}", error.value, error.why));
        }
    }
}

impl CorsSettings {
    /// These settings as a tower layer.
    ///
    /// # Errors
    ///
    /// Returns an error if an origin, a method or a header is none, or if everybody is to be let in
    /// with their cookies.
    pub fn layer(&self) -> Result<CorsLayer, CorsError> {
        let headers =
            |key, names: &[String]| parsed::<HeaderName>(key, names, "is no header's name");
        Ok(CorsLayer::new()
            .allow_origin(self.allowed()?)
            .allow_methods(parsed::<Method>("methods", &self.methods, "is no method")?)
            .allow_headers(headers("headers", &self.headers)?)
            .expose_headers(headers("expose", &self.expose)?)
            .allow_credentials(self.credentials)
            .max_age(self.max_age))
    }

    fn allowed(&self) -> Result<AllowOrigin, CorsError> {
        let everybody = self.origins.iter().any(|origin| origin == "*");
        let wrong = |why| Err(CorsError { key: "origins", value: "*".to_owned(), why });
        match everybody {
            true if self.credentials => wrong("does not go with `credentials`"),
            true if self.origins.len() > 1 => wrong("stands for all, and must stand alone"),
            true => Ok(AllowOrigin::any()),
            false => {
                let why = "is no origin, like \"https://shop.example\"";
                for origin in &self.origins {
                    // A path, were it only a slash, would never match: browsers send none.
                    let host = origin.split_once("://").map(|(_, host)| host);
                    if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
                        return Err(CorsError { key: "origins", value: origin.clone(), why });
                    }
                }
                parsed::<HeaderValue>("origins", &self.origins, why).map(AllowOrigin::list)
            }
        }
    }
}

fn parsed<T>(key: &'static str, words: &[String], why: &'static str) -> Result<Vec<T>, CorsError>
where
    T: std::str::FromStr,
{
    let parse =
        |word: &String| word.parse().map_err(|_| CorsError { key, value: word.clone(), why });
    words.iter().map(parse).collect()
}
