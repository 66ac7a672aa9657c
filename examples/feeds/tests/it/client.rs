//! One request to the application, over a connection of its own.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Method, Request, Response, header};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::app::in_time;

/// Asks the application at an address.
#[derive(Clone, Copy)]
pub(crate) struct Client(pub(crate) SocketAddr);

/// What it answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("it is text"))
    }

    /// The JSON body of an answer with this status, which is of the type that goes with it.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        let kind = if status < 400 { "application/json" } else { "application/problem+json" };
        assert_eq!(self.header("content-type"), kind, "{text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Client {
    pub(crate) async fn get(self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn delete(self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    pub(crate) async fn post(self, path: &str) -> Answer {
        self.send(Method::POST, path, &[], "").await
    }

    /// Adds the feed at `url`.
    pub(crate) async fn add(self, url: &str) -> Answer {
        let body = json!({ "url": url }).to_string();
        self.send(Method::POST, "/feeds", &[("content-type", "application/json")], body).await
    }

    pub(crate) async fn parse(self, kind: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, "/feeds/parse", &[("content-type", kind)], body).await
    }

    pub(crate) async fn send(
        self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "feeds");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("it is a request");
        in_time(self.exchange(request)).await
    }

    async fn exchange(self, request: Request<Full<Bytes>>) -> Answer {
        let stream = TcpStream::connect(self.0).await.expect("the application listens");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("it is not used yet");
        let answer = async {
            let answer = sender.send_request(request).await.expect("the application answers");
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.expect("the answer is whole").to_bytes();
            Response::from_parts(parts, body)
        };
        let (answer, connection) = (Box::pin(answer), Box::pin(connection));
        let answer = match select(answer, connection).await {
            Either::Left((answer, _)) => answer,
            Either::Right((_, answer)) => answer.await,
        };
        let (parts, body) = answer.into_parts();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}
