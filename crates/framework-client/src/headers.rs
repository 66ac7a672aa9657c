//! What is sent on of the request that is being handled.

use framework_core::Outgoing;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::Instant;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Says on whose behalf a call is made. What the caller has set himself is kept.
pub(crate) fn pass_on(headers: &mut HeaderMap, current: &Outgoing) {
    if let Ok(id) = HeaderValue::from_str(current.id.as_str()) {
        headers.entry(REQUEST_ID).or_insert(id);
    }
    // As it came: no span of this application's is told to anybody who could look for it.
    let trace = current.trace.map(|trace| HeaderValue::try_from(trace.to_string()));
    if let Some(Ok(trace)) = trace {
        headers.entry(TRACEPARENT).or_insert(trace);
    }
}

/// Says how long the answer is waited for, counted anew for each try.
pub(crate) fn limit(headers: &mut HeaderMap, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    headers.insert(TIMEOUT_MS, HeaderValue::from(u64::try_from(left).unwrap_or(u64::MAX)));
}

/// Takes out what is meant for one host only.
pub(crate) fn forget_credentials(headers: &mut HeaderMap) {
    for secret in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
        headers.remove(secret);
    }
}
