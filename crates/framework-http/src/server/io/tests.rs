use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::Semaphore,
    time::Instant,
};

use super::*;
use crate::ServerSettings;

/// Longer than anything takes here.
const LIMIT: Duration = Duration::from_secs(10);

/// A connection that has served one request and is idle, and its client.
async fn idle() -> (ConnectionIo<DuplexStream>, DuplexStream, Arc<ConnectionState>) {
    let (client, server) = duplex(1024);
    let state = Arc::new(ConnectionState::new(Traffic::new(), ServerSettings::default()));
    state.request_started(false);
    state.request_ended();
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

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_for_its_response_is_noticed() {
    let (mut io, client, state) = idle().await;
    state.request_started(false);
    io.flush().await.unwrap();
    drop(client);
    let error = io.flush().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    // Whoever has its response may leave.
    state.request_ended();
    io.flush().await.unwrap();
}

#[tokio::test]
async fn whoever_looks_for_a_client_is_woken_when_it_leaves() {
    let (mut io, client, state) = idle().await;
    state.request_started(false);
    let left = std::future::poll_fn(|cx| match Pin::new(&mut io).poll_flush(cx) {
        Poll::Ready(Ok(())) => Poll::Pending,
        other => other,
    });
    let (left, ()) = tokio::join!(tokio::time::timeout(LIMIT, left), async { drop(client) });
    assert!(left.expect("it is woken").is_err());
}

#[tokio::test]
async fn what_comes_while_a_client_is_looked_for_is_read_later_and_in_order() {
    let (mut io, mut client, state) = idle().await;
    state.request_started(false);
    client.write_all(b"GET /next HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    for _ in 0..3 {
        io.flush().await.unwrap();
    }
    state.request_ended();
    io.put_back(b"> ");
    let mut read = [0; 64];
    let length = io.read(&mut read).await.unwrap();
    assert_eq!(&read[..length], b"> GET /next HTTP/1.1\r\nhost: test\r\n\r\n");
}

#[tokio::test]
async fn nobody_looks_while_a_body_is_read_or_several_requests_share_the_connection() {
    let looks = async |prepare: fn(&ConnectionState)| {
        let (mut io, mut client, state) = idle().await;
        prepare(&state);
        client.write_all(b"more").await.unwrap();
        io.flush().await.unwrap();
        !io.ahead().is_empty()
    };
    assert!(looks(|state| _ = state.request_started(false)).await);
    let reads_body = |state: &ConnectionState| {
        state.request_started(false);
        state.set_reading_body(true);
    };
    assert!(!looks(reads_body).await);
    let (client, server) = duplex(64);
    let state = Arc::new(ConnectionState::new(Traffic::new(), ServerSettings::default()));
    state.request_started(true);
    let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let mut io = ConnectionIo::new(server, Arc::clone(&state), Place::new(state.traffic(), permit));
    drop(client);
    io.flush().await.unwrap();
}

#[test]
fn a_small_response_is_written_as_one_piece_and_a_large_one_as_it_is() {
    let mut joined = [0; SMALL];
    let pieces = [&b"head"[..], b"", b"body"].map(io::IoSlice::new);
    assert_eq!(join(&pieces, &mut joined).unwrap(), b"headbody");
    let (head, rest) = ([b'h'; SMALL / 2], [b'b'; SMALL / 2]);
    let full = [io::IoSlice::new(&head), io::IoSlice::new(&rest)];
    assert_eq!(join(&full, &mut joined).unwrap().len(), SMALL);
    let more = [io::IoSlice::new(&head), io::IoSlice::new(&rest), io::IoSlice::new(b"!")];
    assert!(join(&more, &mut joined).is_none());
}
