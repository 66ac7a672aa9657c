use std::{convert::Infallible, future::poll_fn};

use axum::body::Body;
use hyper::service::service_fn;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::Semaphore,
};

use http::{Request, Response};

use super::*;
use crate::{
    ServerSettings, Traffic,
    server::{io::Place, state::ConnectionState},
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// A connection that answers every request with its path, and its client.
async fn echo() -> (impl Driven, UnixStream) {
    let (client, server) = UnixStream::pair().unwrap();
    let settings = ServerSettings::default();
    let state = Arc::new(ConnectionState::new(Traffic::new(), settings));
    let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let place = Place::new(state.traffic(), permit);
    let io = ConnectionIo::new(Transport::Unix(server), state, place);
    let service = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(Body::from(request.uri().path().to_owned())))
    });
    let setting = Arc::new(Setting::new(settings));
    (Protocol::new(io, service, setting, TaskTracker::new()), client)
}

/// Drives the connection until the client has been told `expected`.
async fn answers(protocol: &mut impl Driven, client: &mut UnixStream, expected: &str) {
    let (mut read, mut answer) = ([0; 1024], String::new());
    while !answer.ends_with(expected) {
        tokio::select! {
            ended = poll_fn(|cx| protocol.poll_end(cx)) => panic!("it has ended: {ended:?}"),
            came = client.read(&mut read) => {
                let came = came.unwrap();
                answer.push_str(str::from_utf8(&read[..came]).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_has_rested_answers_as_before() {
    let (mut protocol, mut client) = echo().await;
    assert!(!protocol.is_awake(), "there has been no request");
    for _ in 0..3 {
        client.write_all(REQUEST).await.unwrap();
        answers(&mut protocol, &mut client, "\r\n\r\n/").await;
        assert!(protocol.is_awake());
        protocol.rest();
        assert!(!protocol.is_awake());
    }
}

#[tokio::test]
async fn the_beginning_of_a_head_outlasts_a_rest_and_wakes_nobody() {
    let (mut protocol, mut client) = echo().await;
    client.write_all(&[REQUEST, b"GET /sec"].concat()).await.unwrap();
    answers(&mut protocol, &mut client, "\r\n\r\n/").await;
    protocol.rest();
    poll_fn(|cx| {
        assert!(protocol.poll_end(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    assert!(!protocol.is_awake());
    client.write_all(b"ond HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    answers(&mut protocol, &mut client, "\r\n\r\n/second").await;
}

#[tokio::test]
async fn a_client_that_goes_while_its_connection_rests_ends_it() {
    let (mut protocol, mut client) = echo().await;
    client.write_all(REQUEST).await.unwrap();
    answers(&mut protocol, &mut client, "\r\n\r\n/").await;
    protocol.rest();
    drop(client);
    poll_fn(|cx| protocol.poll_end(cx)).await.unwrap();
}

#[tokio::test]
async fn a_head_may_come_a_byte_at_a_time() {
    let (mut protocol, mut client) = echo().await;
    // As far as its second byte, it could be the preface of HTTP/2.
    for byte in b"PROPFIND /slow HTTP/1.1\r\nhost: test\r\n\r\n" {
        client.write_all(&[*byte]).await.unwrap();
        poll_fn(|cx| {
            assert!(protocol.poll_end(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    answers(&mut protocol, &mut client, "\r\n\r\n/slow").await;
}

#[tokio::test]
async fn a_connection_that_has_said_goodbye_before_its_first_request_has_ended() {
    let (mut protocol, _client) = echo().await;
    protocol.say_goodbye();
    poll_fn(|cx| protocol.poll_end(cx)).await.unwrap();
}
