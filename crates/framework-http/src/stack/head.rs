use http::{HeaderMap, HeaderName, HeaderValue};

use super::request_id::X_REQUEST_ID;
use crate::extract::X_REQUEST_TIMEOUT_MS;

// A constant would be made and dropped with every comparison.
static REQUEST_ID: HeaderName = X_REQUEST_ID;
static TIMEOUT: HeaderName = X_REQUEST_TIMEOUT_MS;
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What the stack looks for in the head of a request. Found in one pass: most heads are short and
/// have none of it, and looking each up would hash its name first.
#[derive(Default)]
pub(super) struct Head<'r> {
    pub(super) request_id: Option<&'r HeaderValue>,
    pub(super) timeout: Option<&'r HeaderValue>,
    pub(super) traceparent: Option<&'r HeaderValue>,
}

impl<'r> Head<'r> {
    pub(super) fn of(headers: &'r HeaderMap) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            let place = if *name == REQUEST_ID {
                &mut head.request_id
            } else if *name == TIMEOUT {
                &mut head.timeout
            } else if *name == TRACEPARENT {
                &mut head.traceparent
            } else {
                continue;
            };
            // Of one that is there twice, the first counts.
            place.get_or_insert(value);
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there_and_takes_the_first_of_two() {
        let mut headers = HeaderMap::new();
        let found = Head::of(&headers);
        assert!(found.request_id.or(found.timeout).or(found.traceparent).is_none());
        for (name, value) in [
            ("host", "localhost"),
            ("traceparent", "t"),
            ("x-request-id", "first"),
            ("x-request-timeout-ms", "5"),
            ("x-request-id", "second"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let found = Head::of(&headers);
        assert_eq!(found.request_id.unwrap(), "first");
        assert_eq!(found.timeout.unwrap(), "5");
        assert_eq!(found.traceparent.unwrap(), "t");
    }
}
