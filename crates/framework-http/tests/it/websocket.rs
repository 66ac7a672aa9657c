use std::{sync::Arc, time::Duration};

use axum::{Router, extract::ws::Message, routing::get};
use framework_http::{DrainStage, ServerSettings, WebSocketUpgrade};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, sync::Notify, time::Instant};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message as Sent, protocol::frame::coding::CloseCode},
};

use crate::client::Running;

fn echo() -> Router {
    let echo = async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async |mut socket| {
            while let Some(Ok(message)) = socket.recv().await {
                if let Message::Text(_) = message
                    && socket.send(message).await.is_err()
                {
                    return;
                }
            }
        })
    };
    Router::new().route("/echo", get(echo))
}

async fn connect(server: &Running) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    client_async("ws://test/echo", stream).await.unwrap().0
}

#[tokio::test]
async fn a_websocket_is_closed_with_1012_and_then_the_server_ends_at_once() {
    let mut server = Running::start(echo(), ServerSettings::default()).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        let mut socket = connect(&server).await;
        socket.send(Sent::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Sent::text("hello"));
        sockets.push(socket);
    }
    assert_eq!(server.traffic.upgraded_connections(), 10);
    let asked = Instant::now();
    server.control.stop_within(Duration::from_secs(20));
    for mut socket in sockets {
        let Sent::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else {
            panic!("no close");
        };
        assert_eq!(frame.code, CloseCode::Restart);
        assert!(socket.next().await.is_none_or(|message| message.is_err()));
    }
    assert_eq!(server.ended().await.cut, []);
    assert!(asked.elapsed() < Duration::from_secs(1), "took {:?}", asked.elapsed());
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_holds_the_server_for_two_seconds() {
    let mut server = Running::start(echo(), ServerSettings::default()).await;
    let _silent = connect(&server).await;
    let asked = Instant::now();
    server.control.stop_within(Duration::from_secs(20));
    assert_eq!(server.ended().await.cut, []);
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2500), "{took:?}");
}

#[tokio::test]
async fn what_a_handler_does_after_its_socket_is_closed_is_waited_for_and_counted() {
    let (entered, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, gate) = (Arc::clone(&entered), Arc::clone(&open));
    let store = async move |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async move |mut socket| {
            while let Some(Ok(_)) = socket.recv().await {}
            drop(socket);
            told.notify_one();
            gate.notified().await;
        })
    };
    let mut server =
        Running::start(Router::new().route("/echo", get(store)), ServerSettings::default()).await;
    drop(connect(&server).await);
    entered.notified().await;
    server.none_open().await;
    assert_eq!(server.traffic.upgraded_tasks(), 1);
    server.control.stop_within(Duration::from_secs(20));
    while server.traffic.stage() < DrainStage::Drain {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.traffic.stage(), DrainStage::Drain);
    open.notify_one();
    assert_eq!(server.ended().await.cut, []);
    assert_eq!(server.traffic.upgraded_tasks(), 0);
}

#[tokio::test]
async fn a_handler_that_never_ends_is_ended_at_the_deadline() {
    struct Held(Arc<Notify>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (entered, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, held) = (Arc::clone(&entered), Arc::clone(&dropped));
    let stuck = async move |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async move |_socket| {
            let _held = Held(held);
            told.notify_one();
            std::future::pending::<()>().await;
        })
    };
    let mut server =
        Running::start(Router::new().route("/echo", get(stuck)), ServerSettings::default()).await;
    let _client = connect(&server).await;
    entered.notified().await;
    server.control.stop_within(Duration::from_millis(100));
    server.ended().await;
    dropped.notified().await;
    assert_eq!(server.traffic.upgraded_tasks(), 0);
}
