use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::Semaphore,
    time::Instant,
};

use super::*;
use crate::ServerSettings;

/// A connection that has served one request and is idle, and its client.
async fn idle() -> (ConnectionIo<DuplexStream>, DuplexStream, Arc<ConnectionState>) {
    let (client, server) = duplex(1024);
    let state = Arc::new(ConnectionState::new(Traffic::new(), ServerSettings::default()));
    state.request_started(false);
    state.request_ended(Instant::now());
    let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let place = Place::new(state.traffic(), permit);
    (ConnectionIo::new(server, Arc::clone(&state), place), client, state)
}

#[tokio::test]
async fn an_idle_connection_that_closes_reads_as_ended() {
    let (mut io, _client, state) = idle().await;
    state.close();
    assert_eq!(io.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_has_arrived_is_read_though_its_connection_is_closing() {
    let (mut io, mut client, state) = idle().await;
    client.write_all(b"GET / HTTP/1.1").await.unwrap();
    state.close();
    let mut read = [0; 16];
    assert_eq!(io.read(&mut read).await.unwrap(), 14);
    // It is a connection in use again: what is still missing may take its time.
    client.write_all(b"\r\n\r\n").await.unwrap();
    assert!(!state.reads_nothing_more());
    assert_eq!(io.read(&mut read).await.unwrap(), 4);
}

#[tokio::test]
async fn a_connection_counts_for_as_long_as_its_socket_exists() {
    let (io, _client, state) = idle().await;
    assert_eq!(state.traffic().open_connections(), 1);
    drop(io);
    assert_eq!(state.traffic().open_connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_refused_body_the_socket_is_read_for_a_moment_before_it_closes() {
    let (mut io, mut client, state) = idle().await;
    state.body_left_unread();
    let start = Instant::now();
    client.write_all(b"much more of the body").await.unwrap();
    io.shutdown().await.unwrap();
    assert_eq!(start.elapsed(), LINGER);
    // A client that closes ends the wait.
    let (mut io, client, state) = idle().await;
    state.body_left_unread();
    drop(client);
    let start = Instant::now();
    let _ = io.shutdown().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn what_was_read_ahead_is_read_together_with_what_follows() {
    let (mut io, mut client, _state) = idle().await;
    io.put_back(b"GET / HT");
    client.write_all(b"TP/1.1").await.unwrap();
    let mut read = [0; 64];
    assert_eq!(io.read(&mut read).await.unwrap(), 14);
    assert_eq!(&read[..14], b"GET / HTTP/1.1");
    // Without anything to follow, it does not wait.
    io.put_back(b"GET");
    assert_eq!(io.read(&mut read).await.unwrap(), 3);
}

#[tokio::test]
async fn a_connection_is_settled_once_what_was_written_is_flushed_and_never_while_it_closes() {
    let (mut io, _client, state) = idle().await;
    assert!(state.rests_at().is_some());
    io.write_all(b"HTTP/1.1 200 OK").await.unwrap();
    assert!(state.rests_at().is_none());
    io.flush().await.unwrap();
    assert!(state.rests_at().is_some());
    io.shutdown().await.unwrap();
    assert!(state.rests_at().is_none());
}
