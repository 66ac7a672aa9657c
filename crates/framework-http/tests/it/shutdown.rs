//! What goes on for long hears of the shutdown.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Sse, sse::Event},
    routing::get,
};
use framework_http::{ServerSettings, ShutdownSignal};
use futures_util::{Stream, StreamExt as _, stream};
use http::{StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    task::JoinSet,
    time::Instant,
};

use crate::client::{Client, Got, Running};

const SOON: Duration = Duration::from_millis(1500);

/// One event, and then nothing for ever.
fn one_event<T>(item: T) -> impl Stream<Item = Result<T, Infallible>> {
    stream::once(async { Ok(item) }).chain(stream::pending())
}

#[tokio::test]
async fn an_event_stream_ends_between_two_events_when_the_server_becomes_a_lame_duck() {
    let events = async || Sse::new(one_event(Event::default().data("one")));
    let router = Router::new().route("/events", get(events));
    let settings = ServerSettings::default().drain_linger(Duration::from_millis(200));
    let mut server = Running::start(router, settings).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n").await;
    client.read_until("data: one").await;
    let asked = Instant::now();
    server.control.lame_duck();
    // The last chunk is complete: clients can tell an end from a broken connection.
    client.read_until("\r\n0\r\n\r\n").await;
    server.control.stop_within(Duration::from_secs(20));
    assert_eq!(server.ended().await.cut, []);
    assert!(asked.elapsed() < SOON, "took {:?}", asked.elapsed());
}

#[tokio::test]
async fn a_stream_that_heeds_the_signal_ends_and_nothing_is_cut_off() {
    let numbers =
        async |shutdown: ShutdownSignal| Body::from_stream(shutdown.until(one_event("first\n")));
    let router = Router::new().route("/numbers", get(numbers));
    let mut server = Running::start(router, ServerSettings::default()).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET /numbers HTTP/1.1\r\nhost: test\r\n\r\n").await;
    client.read_until("first").await;
    server.control.stop_within(Duration::from_secs(20));
    assert!(client.rest().await.ends_with("\r\n0\r\n\r\n"));
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn a_request_that_comes_to_a_lame_duck_is_asked_to_leave_only_when_it_stops() {
    let entered = Arc::new(Notify::new());
    let waits = {
        let entered = Arc::clone(&entered);
        async move |shutdown: ShutdownSignal| {
            let before = shutdown.is_requested();
            entered.notify_one();
            shutdown.requested().await;
            format!("{before} {}", shutdown.is_requested())
        }
    };
    let router = Router::new().route("/", get(waits));
    let mut server = Running::start(router, ServerSettings::default()).await;
    server.control.lame_duck();
    let mut client = Client::connect(server.address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    entered.notified().await;
    server.control.stop_within(Duration::from_secs(20));
    assert_eq!(client.answer().await.body, "false true");
    assert_eq!(server.ended().await.cut, []);
}

/// Takes the connection over, and answers what comes with the same, whatever the server says.
async fn echo(mut request: Request) -> impl IntoResponse {
    let upgrading = hyper::upgrade::on(&mut request);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut io = TokioIo::new(upgrading.await.unwrap());
        let mut buf = [0; 16];
        while let Ok(n @ 1..) = io.read(&mut buf).await {
            if io.write_all(&buf[..n]).await.is_err() {
                return;
            }
        }
    });
    task.detach_all();
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "echo")];
    (StatusCode::SWITCHING_PROTOCOLS, headers)
}

#[tokio::test]
async fn an_upgraded_connection_is_counted_held_until_the_deadline_and_named() {
    let router = Router::new().route("/echo", get(echo));
    let mut server = Running::start(router, ServerSettings::default()).await;
    let mut client = Client::connect(server.address).await;
    let head = "GET /echo?token=x HTTP/1.1\r\nhost: test\r\n";
    client.send(&format!("{head}connection: upgrade\r\nupgrade: echo\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 101);
    client.send("ping").await;
    client.read_until("ping").await;
    assert_eq!(server.traffic.upgraded_connections(), 1);

    let asked = Instant::now();
    server.control.stop_within(Duration::from_millis(300));
    let report = server.ended().await;
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(700), "{took:?}");
    let [cut] = report.cut.as_slice() else { panic!("{report:?}") };
    assert_eq!((cut.path.as_str(), report.cut_connections), ("/echo", 1));
    assert_eq!(client.rest().await, "ping");
    assert_eq!((server.traffic.upgraded_connections(), server.traffic.open_connections()), (0, 0));
}

#[tokio::test]
async fn an_upgraded_connection_that_closes_in_time_lets_the_server_end() {
    let router = Router::new().route("/echo", get(echo));
    let mut server = Running::start(router, ServerSettings::default()).await;
    let mut client = Client::connect(server.address).await;
    let head = "GET /echo HTTP/1.1\r\nhost: test\r\n";
    client.send(&format!("{head}connection: upgrade\r\nupgrade: echo\r\n\r\n")).await;
    assert!(matches!(client.try_answer().await, Got::Answer(answer) if answer.status == 101));
    server.control.stop_within(Duration::from_secs(20));
    let asked = Instant::now();
    drop(client);
    assert_eq!(server.ended().await.cut, []);
    assert!(asked.elapsed() < SOON, "took {:?}", asked.elapsed());
}
