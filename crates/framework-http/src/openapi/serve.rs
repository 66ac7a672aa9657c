//! The document and its page over HTTP.

use axum::{Router, response::IntoResponse, routing::get};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;

use super::OpenApiSettings;

const PAGE: &str = include_str!("viewer/page.html");
const SCRIPT: &str = include_str!("viewer/page.js");
const STYLE: &str = include_str!("viewer/page.css");

/// The page loads its own script and style, and asks its own server: nothing else, from nowhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of the document and of the page.
pub(super) fn router(settings: &OpenApiSettings, document: &Value) -> Router {
    let router = served(Router::new(), &settings.path, "application/json", document.to_string());
    if settings.docs.is_empty() {
        return router;
    }
    let (script, style) =
        (format!("{}/page.js", settings.docs), format!("{}/page.css", settings.docs));
    let page = PAGE
        .replace("{document}", &settings.path)
        .replace("{script}", &script)
        .replace("{style}", &style);
    let router = served(router, &settings.docs, "text/html; charset=utf-8", page);
    let router = served(router, &script, "text/javascript; charset=utf-8", SCRIPT.to_owned());
    served(router, &style, "text/css; charset=utf-8", STYLE.to_owned())
}

fn served(router: Router, path: &str, kind: &'static str, text: String) -> Router {
    let text = Bytes::from(text);
    router.route(path, get(async move || (headers(kind), text.clone()).into_response()))
}

fn headers(kind: &'static str) -> HeaderMap {
    let all: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_TYPE, kind),
        // Asked for again each time: the next version of the application may say something else.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    all.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}
