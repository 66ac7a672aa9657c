//! The body of a request that is a feed.

use std::error::Error;

use bytes::Bytes;
use framework::{
    axum::{
        self,
        body::Body,
        extract::{FromRequest, Request},
        http::{HeaderMap, header},
    },
    http::{
        BodyTooLarge, BodyTooSlow,
        openapi::{ApiInput, ApiOperation},
    },
    prelude::*,
};
use http_body_util::BodyExt as _;

/// The media types of feeds.
const FEED_TYPES: [&str; 6] = [
    "application/atom+xml",
    "application/feed+json",
    "application/json",
    "application/rss+xml",
    "application/xml",
    "text/xml",
];

/// A feed, or what is said to be one. What it is, it says itself.
pub(super) struct FeedBody(pub(super) Bytes);

impl<S: Sync> FromRequest<S> for FeedBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_type(request.headers())?;
        let body = Body::new(request.into_body()).collect().await.map_err(unread)?;
        Ok(Self(body.to_bytes()))
    }
}

/// Types that feeds are sent as, the plain ones among them; and none at all.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|it| it.to_str().unwrap_or("?").to_ascii_lowercase());
    if let Some(encoding) = text(header::CONTENT_ENCODING).filter(|it| it != "identity") {
        let detail = format!("the body must not be packed, and it is: `{encoding}`");
        return Err(Problem::unsupported_media_type().detail(detail));
    }
    let Some(kind) = text(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let plain = ["application/octet-stream", "text/plain"];
    let suffix = kind.ends_with("+xml") || kind.ends_with("+json");
    if suffix || FEED_TYPES.contains(&kind) || plain.contains(&kind) {
        return Ok(());
    }
    let detail =
        format!("`{kind}` is no media type of feeds, such as `{}`", FEED_TYPES.join("`, `"));
    Err(Problem::unsupported_media_type().detail(detail))
}

/// Why the body did not come in whole.
fn unread(error: axum::Error) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(too_large) = error.downcast_ref::<BodyTooLarge>() {
            return Problem::too_large()
                .detail(too_large.to_string())
                .extension("limit", too_large.limit);
        }
        if error.is::<BodyTooSlow>() {
            let timeout = Problem::new(StatusCode::REQUEST_TIMEOUT);
            return timeout.detail("the body came in too slowly");
        }
        cause = error.source();
    }
    Problem::bad_request().detail("the body ended early").cause(error)
}

impl ApiInput for FeedBody {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.body("*/*", true);
        operation.problem(StatusCode::REQUEST_TIMEOUT, "the body came in too slowly");
        operation.problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than this takes");
        operation.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is said to be no feed");
        operation.problem(StatusCode::BAD_REQUEST, "the body ended early");
    }
}
