use axum::{
    body::Body,
    http::{Method, Request, header},
};
use framework_http::HttpHandle;
use serde::Serialize;

use super::{TestApp, TestResponse};

/// Requests, which pass through everything that a request from a socket passes through, except the
/// socket.
///
/// # Panics
///
/// Each panics if the application has no HTTP server, or if the request or the response is not one.
impl TestApp {
    /// Sends `GET path`.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, None).await
    }

    /// Sends `DELETE path`.
    pub async fn delete(&self, path: &str) -> TestResponse {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends `POST path` with `value` as JSON.
    pub async fn post_json(&self, path: &str, value: &impl Serialize) -> TestResponse {
        self.send(Method::POST, path, Some(json(value))).await
    }

    /// Sends `PUT path` with `value` as JSON.
    pub async fn put_json(&self, path: &str, value: &impl Serialize) -> TestResponse {
        self.send(Method::PUT, path, Some(json(value))).await
    }

    /// Sends any request.
    pub async fn call<B: Into<Body>>(&self, request: Request<B>) -> TestResponse {
        let request = request.map(Into::into);
        let line = format!("{} {}", request.method(), request.uri());
        let response = self.http().call(request).await;
        TestResponse::read(line, response).await
    }

    /// The server, for its address and its routes.
    #[must_use]
    #[track_caller]
    pub fn http(&self) -> HttpHandle {
        HttpHandle::clone(&self.get_value::<HttpHandle>())
    }

    async fn send(&self, method: Method, path: &str, json: Option<String>) -> TestResponse {
        let mut request = Request::builder().method(method).uri(path);
        if json.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = json.map_or_else(Body::empty, Body::from);
        let request = request.body(body);
        self.call(request.unwrap_or_else(|error| panic!("{path:?} is no path: {error}"))).await
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| panic!("not JSON: {error}"))
}
