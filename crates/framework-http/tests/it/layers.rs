//! The middleware that comes with the server, as modules around the routes of another one.

use axum::{
    Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use framework_config::ByteSize;
use framework_core::{BoxModule, Module, module_fn};
use framework_http::{
    CompressionModule, CompressionSettings, CorsModule, CorsSettings, DecompressionModule,
    DecompressionSettings, HttpExt, HttpHandle, HttpModule, HttpSettings, RateLimitModule,
    RateLimitSettings, SecurityHeadersModule, SecurityHeadersSettings,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;

use crate::app::{App, plan};

const LARGE: usize = 1 << 20;

/// An application with some routes, and `layer` around them.
async fn with(layer: impl Module) -> (App, HttpHandle) {
    let settings = HttpSettings { addr: "127.0.0.1:0".to_owned(), ..HttpSettings::default() };
    let http = HttpModule::new().settings(settings);
    let handle = http.handle();
    let routes = module_fn("routes", |reg| {
        let router = Router::new()
            .route("/small", get(async || "small"))
            .route("/large", get(async || "x".repeat(LARGE)))
            .route("/framed", get(async || ([("x-frame-options", "SAMEORIGIN")], "framed")))
            .route("/length", post(async |body: Bytes| body.len().to_string()));
        reg.routes_with(router, |_| Ok(()));
    });
    let modules = [BoxModule::new(http), BoxModule::new(routes), BoxModule::new(layer)];
    (App::ready(plan(modules)).await, handle)
}

async fn read(response: Response<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
}

async fn ask(
    handle: &HttpHandle,
    path: &str,
    header: (&str, &str),
) -> (StatusCode, HeaderMap, Bytes) {
    let request = Request::get(path).header(header.0, header.1).body(Body::empty()).unwrap();
    read(handle.call(request).await).await
}

#[tokio::test]
async fn large_responses_are_compressed_for_those_who_take_it_and_small_ones_are_not() {
    let module = CompressionModule::new().settings(CompressionSettings::default());
    let (_app, handle) = with(module).await;
    let (_, headers, body) = ask(&handle, "/large", ("accept-encoding", "gzip")).await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(body.len() < LARGE / 100, "{}", body.len());
    for (path, accepted, length) in [("/small", "gzip", 5), ("/large", "identity", LARGE)] {
        let (_, headers, body) = ask(&handle, path, ("accept-encoding", accepted)).await;
        assert_eq!((headers.get("content-encoding"), body.len()), (None, length));
    }
}

#[tokio::test]
async fn a_compressed_body_is_unpacked_up_to_its_limit() {
    let module = CompressionModule::new().settings(CompressionSettings::default());
    let (_app, handle) = with(module).await;
    let (_, _, packed) = ask(&handle, "/large", ("accept-encoding", "gzip")).await;
    for (max_size, status, said) in [
        (ByteSize::mib(2), StatusCode::OK, LARGE.to_string()),
        (ByteSize::kib(64), StatusCode::PAYLOAD_TOO_LARGE, String::new()),
    ] {
        let settings = DecompressionSettings { max_size };
        let (_app, handle) = with(DecompressionModule::new().settings(settings)).await;
        let request = Request::post("/length").header("content-encoding", "gzip");
        let request = request.body(Body::from(packed.clone())).unwrap();
        let (got, _, body) = read(handle.call(request).await).await;
        assert_eq!(got, status);
        assert!(said.is_empty() || body == said, "{body:?}");
    }
}

#[tokio::test]
async fn only_the_origins_that_are_named_may_read() {
    let origins = vec!["https://shop.example".to_owned()];
    let settings = CorsSettings { origins, ..CorsSettings::default() };
    let (_app, handle) = with(CorsModule::new().settings(settings)).await;
    let (_, headers, _) = ask(&handle, "/small", ("origin", "https://shop.example")).await;
    assert_eq!(headers["access-control-allow-origin"], "https://shop.example");
    let (_, headers, _) = ask(&handle, "/small", ("origin", "https://evil.example")).await;
    assert_eq!(headers.get("access-control-allow-origin"), None);
}

#[test]
fn origins_that_can_never_match_and_cookies_for_everybody_are_errors() {
    let wrong = |origins: &[&str], credentials| {
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        let settings = CorsSettings { origins, credentials, ..CorsSettings::default() };
        settings.layer().unwrap_err().to_string()
    };
    assert_eq!(wrong(&["*"], true), "`origins` holds `*`, which does not go with `credentials`");
    for origin in ["shop.example", "https://", "https://shop.example/"] {
        assert!(wrong(&[origin], false).contains("is no origin"), "{origin}");
    }
}

#[tokio::test]
async fn every_response_has_the_headers_and_a_handler_has_the_last_word() {
    let module = SecurityHeadersModule::new().settings(SecurityHeadersSettings::default());
    let (_app, handle) = with(module).await;
    let (_, headers, _) = ask(&handle, "/small", ("accept", "*/*")).await;
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers.get("strict-transport-security"), None);
    let (_, headers, _) = ask(&handle, "/framed", ("accept", "*/*")).await;
    assert_eq!(headers["x-frame-options"], "SAMEORIGIN");
}

#[tokio::test]
async fn a_client_that_sends_too_much_is_told_when_to_come_again() {
    let settings = RateLimitSettings { per_second: 1, burst: 3, max_clients: 10 };
    let (_app, handle) = with(RateLimitModule::new().settings(settings)).await;
    for _ in 0..3 {
        assert_eq!(ask(&handle, "/small", ("accept", "*/*")).await.0, StatusCode::OK);
    }
    let (status, headers, body) = ask(&handle, "/small", ("accept", "*/*")).await;
    assert_eq!(
        (status, headers["retry-after"].as_bytes()),
        (StatusCode::TOO_MANY_REQUESTS, b"1".as_slice())
    );
    assert_eq!(headers["content-type"], "application/problem+json");
    assert!(!body.is_empty());
    // Probes are outside of all middleware.
    assert_eq!(ask(&handle, "/livez", ("accept", "*/*")).await.0, StatusCode::OK);
}
