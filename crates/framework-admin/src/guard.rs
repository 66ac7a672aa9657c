use std::{hint::black_box, net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use framework_config::Secret;
use framework_http::Problem;
use http::{HeaderMap, HeaderValue, Uri, header};

/// Decides who may ask.
#[derive(Clone, Debug)]
pub struct Guard {
    token: Option<Arc<Secret<String>>>,
}

impl Guard {
    /// Asks for `token`; an empty one lets everyone on the machine in.
    #[must_use]
    pub fn new(token: Secret<String>) -> Self {
        Self { token: (!token.expose().is_empty()).then(|| Arc::new(token)) }
    }

    /// Whether a token is asked for.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        match &self.token {
            Some(token) => check_token(token.expose(), headers),
            None => check_host(uri, headers),
        }
    }
}

/// Lets through what the guard lets through.
pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check_token(token: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = given.and_then(|value| {
        let (scheme, token) = value.split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
    });
    if given.is_some_and(|given| is_same(given, token.as_bytes())) {
        return Ok(());
    }
    let detail = "this listener asks for its token: `Authorization: Bearer …`";
    let challenge = HeaderValue::from_static("Bearer");
    Err(Problem::unauthorized().detail(detail).header(header::WWW_AUTHENTICATE, challenge))
}

/// Compares in a time that depends on the length of what was given, and on nothing else.
fn is_same(given: &[u8], expected: &[u8]) -> bool {
    let mut difference = given.len() ^ expected.len();
    for (at, byte) in given.iter().enumerate() {
        let other = expected.get(at).or(expected.last()).copied().unwrap_or_default();
        difference = black_box(difference | usize::from(byte ^ other));
    }
    difference == 0
}

/// A web page can give its own name the address of this machine, but it cannot choose another
/// name for its requests.
fn check_host(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let named = uri.host().map(str::to_owned).or_else(|| host(headers));
    // A request without a host comes from no browser.
    if named.is_none_or(|host| is_local_name(&host)) {
        return Ok(());
    }
    let detail = "this listener is called by an IP address or as `localhost`; to give it another \
                  name, set `admin.token`";
    Err(Problem::forbidden().detail(detail))
}

/// The host that a request names; an unreadable one is as a strange one.
fn host(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::HOST)?;
    let authority = value.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
    Some(authority.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default())
}

fn is_local_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(guard: &Guard, name: header::HeaderName, value: &'static str) -> Result<(), u16> {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        guard.check(&Uri::from_static("/metrics"), &headers).map_err(|it| it.status().as_u16())
    }

    #[test]
    fn a_token_is_compared_as_a_whole() {
        let guard = Guard::new(Secret::new("s3cret".to_owned()));
        let ask = |value| ask(&guard, header::AUTHORIZATION, value);
        assert_eq!((ask("Bearer s3cret"), ask("bearer s3cret")), (Ok(()), Ok(())));
        for wrong in ["Bearer s3cre", "Bearer s3crett", "Bearer S3cret", "Bearer ", "s3cret", ""] {
            assert_eq!(ask(wrong), Err(401), "{wrong:?}");
        }
        let nothing = guard.check(&Uri::from_static("/"), &HeaderMap::new());
        assert_eq!(nothing.unwrap_err().status(), 401);
    }

    #[test]
    fn without_a_token_a_web_page_cannot_ask_under_its_own_name() {
        let guard = Guard::new(Secret::default());
        let ask = |value| ask(&guard, header::HOST, value);
        for right in ["127.0.0.1:9090", "localhost:9090", "localhost", "[::1]:9090", "10.1.2.3"] {
            assert_eq!(ask(right), Ok(()), "{right}");
        }
        for wrong in ["evil.example", "evil.example:9090", "localhost.evil.example", ""] {
            assert_eq!(ask(wrong), Err(403), "{wrong}");
        }
    }
}
