use std::time::Duration;

use axum::{
    Router,
    routing::{get, post},
};
use framework_http::{Json, Server, ServerSettings};
use tokio::time::Instant;

use crate::client::{Client, Got, Running};

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

const SHORT: Duration = Duration::from_millis(200);

async fn time_to_close(settings: ServerSettings, sent: &str, used: bool) -> Duration {
    let server = Running::start(hello(), settings).await;
    let mut client = Client::connect(server.address).await;
    if used {
        client.get("/").await;
    }
    let start = Instant::now();
    client.send(sent).await;
    client.closed().await;
    start.elapsed()
}

#[tokio::test]
async fn a_head_that_takes_too_long_ends_its_connection() {
    let settings = ServerSettings::default().header_read_timeout(SHORT);
    for (sent, used) in [("GET / HTT", false), ("GET / HTTP/1.1\r\nhost: t", true), ("", false)] {
        let took = time_to_close(settings, sent, used).await;
        assert!(took >= SHORT - Duration::from_millis(20), "{sent:?} {took:?}");
        assert!(took < SHORT * 3, "{sent:?} {took:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_closed() {
    let took = time_to_close(ServerSettings::default().keep_alive(SHORT), "", true).await;
    assert!(took >= SHORT - Duration::from_millis(20) && took < SHORT * 3, "{took:?}");
}

#[tokio::test]
async fn a_slow_handler_does_not_count_as_an_unused_connection() {
    let slow = async || {
        tokio::time::sleep(SHORT * 3).await;
        "slow"
    };
    let router = Router::new().route("/slow", get(slow));
    let settings = ServerSettings::default().keep_alive(SHORT).header_read_timeout(SHORT);
    let server = Running::start(router, settings).await;
    assert_eq!(Client::connect(server.address).await.get("/slow").await.body, "slow");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_closes() {
    let server = Running::start(hello(), ServerSettings::default().max_connections(1)).await;
    let mut first = Client::connect(server.address).await;
    first.get("/").await;
    let mut second = Client::connect(server.address).await;
    second.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    first.get("/").await;
    assert_eq!((server.traffic.open_connections(), server.traffic.accepted_connections()), (1, 1));
    drop(first);
    assert_eq!(second.answer().await.body, "hello");
    assert_eq!(server.traffic.accepted_connections(), 2);
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending_its_body() {
    let refuse = async || (http::StatusCode::PAYLOAD_TOO_LARGE, "too large");
    let router = Router::new().route("/", post(refuse));
    let server = Running::start(router, ServerSettings::default()).await;
    let body = "x".repeat(3 << 20);
    for _ in 0..10 {
        let mut client = Client::connect(server.address).await;
        let length = body.len();
        let head = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n");
        client.send(&(head + &body)).await;
        match client.try_answer().await {
            Got::Answer(answer) => {
                assert_eq!((answer.status, answer.body.as_str()), (413, "too large"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_of_its_own() {
    let first = Server::bind("127.0.0.1:0").await.unwrap();
    let address = first.local_addr().to_string();
    let error = Server::bind(&address).await.unwrap_err();
    assert!(error.is_addr_in_use());
    assert_eq!(error.to_string(), format!("the address `{address}` is in use"));
    assert!(!Server::bind("256.0.0.1:80").await.unwrap_err().is_addr_in_use());
}

#[tokio::test]
async fn a_body_that_stops_coming_in_is_a_408_and_ends_its_connection() {
    let read = async |Json(numbers): Json<Vec<u64>>| numbers.len().to_string();
    let settings = ServerSettings::default().body_grace(SHORT);
    let server = Running::start(Router::new().route("/", post(read)), settings).await;
    let mut client = Client::connect(server.address).await;
    let head = "POST / HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n";
    let start = Instant::now();
    client.send(&format!("{head}content-length: 100\r\n\r\n[1,")).await;
    assert_eq!(client.answer().await.status, 408);
    let took = start.elapsed();
    assert!(took >= SHORT - Duration::from_millis(20) && took < SHORT * 3, "{took:?}");
    client.closed().await;
    drop(client);
    server.none_open().await;
}

#[tokio::test]
async fn a_body_that_comes_in_fast_enough_may_take_longer_than_its_grace() {
    let read = async |body: axum::body::Bytes| body.len().to_string();
    let settings = ServerSettings::default().body_grace(SHORT);
    let server = Running::start(Router::new().route("/", post(read)), settings).await;
    let mut client = Client::connect(server.address).await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4096\r\n\r\n").await;
    let mut pace = tokio::time::interval(SHORT / 2);
    for _ in 0..8 {
        pace.tick().await;
        client.send(&"x".repeat(512)).await;
    }
    assert_eq!(client.answer().await.body, "4096");
}

/// A response without an end, in pieces that fill a socket's buffer soon.
fn endless() -> Router {
    let endless = async || {
        let chunk = || Ok::<_, std::io::Error>(axum::body::Bytes::from_static(&[b'x'; 65536]));
        axum::body::Body::from_stream(futures_util::stream::repeat_with(chunk))
    };
    hello().route("/endless", get(endless))
}

#[tokio::test]
async fn a_client_that_takes_no_byte_of_a_response_loses_its_connection() {
    let settings = ServerSettings::default().write_stall_timeout(SHORT);
    let server = Running::start(endless(), settings).await;
    let mut client = Client::connect(server.address).await;
    let start = Instant::now();
    client.send("GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await;
    client.read_until("HTTP/1.1 200").await;
    server.none_open().await;
    // Filling the buffers takes a moment as well.
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    assert_eq!(server.traffic.requests_in_flight(), 0);
}
