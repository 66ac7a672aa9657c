use std::time::Duration;

use axum::{Router, extract::ws::Message, routing::get};
use framework_http::{ServerSettings, WebSocketUpgrade};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, time::Instant};
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
