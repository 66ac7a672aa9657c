//! What was published, as an answer.

use framework::{
    axum::{
        extract::FromRequestParts,
        http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
        response::{IntoResponse, Response},
    },
    http::openapi::{ApiInput, ApiOperation, ApiOutput},
    prelude::*,
};
use std::convert::Infallible;

use crate::publishing::Published;

const FEED_JSON: &str = "application/feed+json";

/// How a client wants to have it.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) gzip: bool,
    /// The tags that it knows.
    known: Vec<String>,
}

/// What was published, or that the client has it already.
#[derive(Debug)]
pub(super) enum Optimized {
    Content(Published),
    Known { etag: String },
}

impl Wishes {
    fn read(headers: &HeaderMap) -> Self {
        let gzip = list(headers, &header::ACCEPT_ENCODING).any(|accepted| {
            let (name, quality) = accepted.split_once(';').unwrap_or((&accepted, ""));
            let none = quality.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
            matches!(name.trim(), "gzip" | "x-gzip" | "*") && !none
        });
        let tag = |tag: String| tag.strip_prefix("W/").map(str::to_owned).unwrap_or(tag);
        Self { gzip, known: list(headers, &header::IF_NONE_MATCH).map(tag).collect() }
    }

    /// The answer to whoever has these wishes.
    pub(super) fn answer(&self, published: Published) -> Optimized {
        if self.known.iter().any(|known| *known == published.etag || known == "*") {
            return Optimized::Known { etag: published.etag };
        }
        Optimized::Content(published)
    }
}

/// The parts of a header that is a list.
fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + 'h {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|part| part.trim().to_owned())
}

impl<S: Sync> FromRequestParts<S> for Wishes {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.headers))
    }
}

impl ApiInput for Wishes {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.header::<String>("accept-encoding", false, "`gzip` for the packed document");
        operation.header::<String>("if-none-match", false, "the tag of what the client has");
    }
}

impl IntoResponse for Optimized {
    fn into_response(self) -> Response {
        let (mut response, etag) = match self {
            Self::Known { etag } => (StatusCode::NOT_MODIFIED.into_response(), etag),
            Self::Content(published) => {
                let mut response = published.content.into_response();
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FEED_JSON));
                if published.gzip {
                    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                (response, published.etag)
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(etag) = HeaderValue::try_from(etag) {
            headers.insert(header::ETAG, etag);
        }
        response
    }
}

impl ApiOutput for Optimized {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.media(StatusCode::OK, FEED_JSON, "the feed as JSON Feed 1.1");
        operation.answer_header(StatusCode::OK, "etag", "the tag of the content");
        operation.answer(StatusCode::NOT_MODIFIED, "the client has it already");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(name: HeaderName, value: &'static str) -> Wishes {
        Wishes::read(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]))
    }

    #[test]
    fn gzip_is_for_those_who_accept_it() {
        for (value, gzip) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("*", true),
            ("identity", false),
            ("gzip;q=0", false),
            ("", false),
        ] {
            assert_eq!(wishes(header::ACCEPT_ENCODING, value).gzip, gzip, "{value}");
        }
    }

    #[test]
    fn whoever_has_it_gets_nothing_more() {
        for (value, known) in
            [("\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("\"b\"", false)]
        {
            let published = Published::new("x".into(), false, "\"a\"");
            let answer = wishes(header::IF_NONE_MATCH, value).answer(published);
            assert_eq!(matches!(answer, Optimized::Known { .. }), known, "{value}");
        }
    }
}
