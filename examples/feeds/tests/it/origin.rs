//! A web server with feeds, which remembers who came.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, Response, StatusCode},
};
use framework::core::BoxFuture;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::app::in_time;

/// A server, which ends with the test.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    _serving: JoinSet<()>,
}

/// What is seen of requests.
#[derive(Default)]
pub(crate) struct Seen {
    requests: Mutex<Vec<(String, HeaderMap)>>,
    /// How many came, are there, and were there at most.
    counts: watch::Sender<Counts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) came: usize,
    pub(crate) there: usize,
    pub(crate) most: usize,
}

/// Counts a request out again, also one that is given up.
struct Visit(Arc<Seen>);

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| counts.there -= 1);
    }
}

impl Origin {
    /// Serves what `answer` makes of a path and headers.
    pub(crate) async fn start<F>(ip: impl Into<IpAddr>, answer: F) -> Self
    where
        F: Fn(&str, &HeaderMap) -> Response<Body> + Clone + Send + Sync + 'static,
    {
        Self::start_slow(ip, move |path, headers| {
            let answer = answer(&path, &headers);
            Box::pin(async move { answer })
        })
        .await
    }

    /// Serves what `answer` makes of a path and headers, in its time.
    pub(crate) async fn start_slow<F>(ip: impl Into<IpAddr>, answer: F) -> Self
    where
        F: Fn(String, HeaderMap) -> BoxFuture<Response<Body>> + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((ip.into(), 0)).await.expect("there is a port");
        let address = listener.local_addr().expect("it listens");
        let seen = Arc::new(Seen::default());
        let router = Router::new().fallback({
            let seen = Arc::clone(&seen);
            move |request: Request<Body>| async move {
                let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
                seen.requests
                    .lock()
                    .expect("nobody panics with it")
                    .push((path.clone(), headers.clone()));
                seen.counts.send_modify(|counts| {
                    counts.came += 1;
                    counts.there += 1;
                    counts.most = counts.most.max(counts.there);
                });
                let visit = Visit(seen);
                let answered = answer(path, headers).await;
                drop(visit);
                answered
            }
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, seen, _serving: serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<(String, HeaderMap)> {
        self.seen.requests.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.seen.counts.borrow()
    }

    /// Waits until it has seen enough.
    pub(crate) async fn until(&self, enough: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.seen.counts.subscribe();
        *in_time(counts.wait_for(enough)).await.expect("the sender is ours")
    }
}

/// An answer with this status, these headers and this body.
pub(crate) fn answer(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = StatusCode::from_u16(status).expect("it is one");
    for &(name, value) in headers {
        let name: axum::http::HeaderName = name.parse().expect("it is one");
        answer.headers_mut().append(name, value.parse().expect("it is one"));
    }
    answer
}

/// A feed with as many items.
pub(crate) fn rss(title: &str, items: usize) -> String {
    let item = |n: usize| {
        format!(
            "<item><guid>g{n}</guid><title>Item {n}</title><link>/items/{n}?utm_source=rss</link>\
             <pubDate>Mon, {:02} Jan 2024 10:00:00 GMT</pubDate>\
             <description>&lt;p onclick='x()'&gt;Text {n}&lt;/p&gt;</description></item>",
            n % 28 + 1
        )
    };
    let items: String = (0..items).map(item).collect();
    format!("<rss version='2.0'><channel><title>{title}</title>{items}</channel></rss>")
}
