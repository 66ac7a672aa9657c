use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use framework::{core::BoxFuture, process::PoolSettings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

use super::*;

/// Names and their addresses; the first answer differs from all that follow.
struct Names {
    first: IpAddr,
    later: IpAddr,
    asked: AtomicUsize,
}

impl Resolve for Names {
    fn resolve(&self, _host: String, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let first = self.asked.fetch_add(1, Relaxed) == 0;
        let address = if first { self.first } else { self.later };
        Box::pin(async move { Ok(vec![(address, port).into()]) })
    }
}

/// The tests' own time of day; the rest is the runtime's.
#[derive(Debug)]
struct TestClock;

impl Clock for TestClock {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> std::time::SystemTime {
        std::time::SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(std::future::ready(()))
    }
}

fn fetcher(settings: FeedsSettings, first: &str, later: &str) -> (Fetcher, Arc<Names>) {
    let address = |text: &str| text.parse().unwrap();
    let names =
        Names { first: address(first), later: address(later), asked: AtomicUsize::default() };
    let names = Arc::new(names);
    let pool = Arc::new(WorkerPool::new(&PoolSettings::default()).unwrap());
    let resolver = Arc::clone(&names) as Arc<dyn Resolve>;
    let fetcher = Fetcher::new(Config::fixed(settings), pool, resolver, Arc::new(TestClock));
    (fetcher, names)
}

fn allowing(address: &str) -> FeedsSettings {
    let allow_addresses = vec![address.parse().unwrap()];
    FeedsSettings { allow_addresses, ..FeedsSettings::default() }
}

/// Answers each connection with the next of `answers`; nothing hangs up. Gives its port.
async fn server(ip: &str, answers: &'static [&'static str]) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _read = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    (port, serving)
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

async fn fetch(fetcher: &Fetcher, url: &str) -> Result<Bytes, FetchError> {
    let fetched = fetcher.fetch(&url.parse().unwrap(), &Validators::default()).await?;
    let Fetched::Document(document) = fetched else { panic!("{fetched:?}") };
    Ok(document.body)
}

#[tokio::test]
async fn a_name_is_connected_to_where_it_was_checked() {
    let (port, _serving) = server("127.0.0.3", &[HELLO]).await;
    // Whoever asked a second time would be led to another address.
    let (fetcher, names) = fetcher(allowing("127.0.0.3"), "127.0.0.3", "127.0.0.4");
    let body = fetch(&fetcher, &format!("http://feeds.example:{port}/")).await.unwrap();
    assert_eq!(body, "hello");
    assert_eq!(names.asked.load(Relaxed), 1);
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_checked_again_with_each_fetch() {
    let (port, _serving) = server("127.0.0.3", &[HELLO, HELLO]).await;
    let (fetcher, _names) = fetcher(allowing("127.0.0.3"), "127.0.0.3", "127.0.0.1");
    let url = format!("http://feeds.example:{port}/");
    fetch(&fetcher, &url).await.unwrap();
    let error = fetch(&fetcher, &url).await.unwrap_err();
    assert!(matches!(error, FetchError::Private { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_once_more() {
    let (port, _serving) = server("127.0.0.3", &["", HELLO, "", "", HELLO]).await;
    let (fetcher, _names) = fetcher(allowing("127.0.0.3"), "127.0.0.3", "127.0.0.3");
    let url = format!("http://feeds.example:{port}/");
    assert_eq!(fetch(&fetcher, &url).await.unwrap(), "hello");
    let error = fetch(&fetcher, &url).await.unwrap_err();
    assert!(matches!(error, FetchError::Broken { .. }), "{error}");
}

#[test]
fn a_pause_is_asked_for_in_seconds_or_until_a_date() {
    let asked = |value: &str| {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        retry_after(&headers, std::time::SystemTime::UNIX_EPOCH)
    };
    assert_eq!(asked("120"), Some(Duration::from_secs(120)));
    assert_eq!(asked("Thu, 01 Jan 1970 00:01:00 GMT"), Some(Duration::from_secs(60)));
    assert_eq!(asked("soon"), None);
}

#[test]
fn the_pieces_of_a_request_are_those_of_the_address() {
    let url = "http://example.com:8080/a%20b?c=d".parse().unwrap();
    let since = Validators { etag: Some("\"x\"".to_owned()), last_modified: None };
    let request = request(&url, &since);
    assert_eq!(request.uri(), "/a%20b?c=d");
    assert_eq!(request.headers()["host"], "example.com:8080");
    assert_eq!(request.headers()["if-none-match"], "\"x\"");
    assert!(!request.headers().contains_key("traceparent"));
}

#[tokio::test]
async fn a_redirect_does_not_lead_out_of_the_encryption() {
    let (fetcher, _names) = fetcher(FeedsSettings::default(), "127.0.0.3", "127.0.0.3");
    let to = |from: &str, location: &str| {
        let moved = Response::builder().status(301).header(header::LOCATION, location);
        fetcher.redirect(&from.parse().unwrap(), &moved.body(Bytes::new()).unwrap())
    };
    let error = to("https://example.com/", "http://example.com/").unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error}");
    let next = to("http://example.com/", "https://example.com/feed").unwrap().unwrap();
    assert_eq!(next.as_str(), "https://example.com/feed");
}
