//! A client that does exactly what it is told, and never tries again.

use std::{collections::HashMap, convert::Infallible, net::SocketAddr};

use axum::body::Body;
use framework_http::{DrainControl, ServeReport, Server, ServerSettings, Traffic, drain};
use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tower::Service;

pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

/// How waiting for an answer can end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Answer(Answer),
    /// Closed, or reset, before the first byte.
    Nothing,
    /// Closed, or reset, after the first byte.
    Part,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), received: Vec::new() }
    }

    /// `None` if the connection is refused.
    pub(crate) async fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        Some(Self { stream, received: Vec::new() })
    }

    pub(crate) async fn send(&mut self, text: &str) {
        // What the server has closed shows when the answer is read.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        match self.try_answer().await {
            Got::Answer(answer) => answer,
            other => panic!("no answer: {other:?}, {:?}", String::from_utf8_lossy(&self.received)),
        }
    }

    pub(crate) async fn try_answer(&mut self) -> Got {
        loop {
            if let Some((answer, used)) = parse(&self.received) {
                self.received.drain(..used);
                return Got::Answer(answer);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk).await {
                Ok(n) if n > 0 => self.received.extend_from_slice(&chunk[..n]),
                _ if self.received.is_empty() => return Got::Nothing,
                _ => return Got::Part,
            }
        }
    }

    /// Everything up to where the server closes, or resets.
    pub(crate) async fn rest(&mut self) -> String {
        let mut all = std::mem::take(&mut self.received);
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = self.stream.read(&mut chunk).await {
            all.extend_from_slice(&chunk[..n]);
        }
        String::from_utf8(all).unwrap()
    }

    /// Reads until `text` has come in.
    pub(crate) async fn read_until(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.received).contains(text) {
            let mut chunk = [0; 4096];
            let n = self.stream.read(&mut chunk).await.unwrap();
            assert!(n > 0, "closed before {text:?}: {:?}", String::from_utf8_lossy(&self.received));
            self.received.extend_from_slice(&chunk[..n]);
        }
    }

    /// Waits for the server to close.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.try_answer().await, Got::Nothing);
    }
}

/// Parses a response with `content-length`, once it is complete.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).unwrap();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |value| value.parse().unwrap());
    let body = bytes.get(head_end..head_end + length)?;
    let body = String::from_utf8(body.to_vec()).unwrap();
    Some((Answer { status, headers, body }, head_end + length))
}

/// A server on a free port, and what a test needs to know of it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) control: DrainControl,
    pub(crate) traffic: Traffic,
    serving: JoinSet<ServeReport>,
}

impl Running {
    pub(crate) async fn start<S>(service: S, settings: ServerSettings) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let server = Server::bind("127.0.0.1:0").await.unwrap().settings(settings);
        let (address, traffic) = (server.local_addr(), server.traffic());
        let (control, signal) = drain();
        let mut serving = JoinSet::new();
        serving.spawn(server.serve(service, signal));
        Self { address, control, traffic, serving }
    }

    /// Waits until every connection is closed.
    pub(crate) async fn none_open(&self) {
        let all_closed = async {
            while self.traffic.open_connections() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let limit = std::time::Duration::from_secs(10);
        tokio::time::timeout(limit, all_closed).await.expect("connections are closed in time");
    }

    /// Waits for the server to end.
    pub(crate) async fn ended(&mut self) -> ServeReport {
        self.serving.join_next().await.unwrap().unwrap()
    }
}
