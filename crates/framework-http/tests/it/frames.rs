//! HTTP/2 frame by frame: a client that answers nothing unless it is told to.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use framework_http::{DrainStage, ServerSettings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use crate::client::Running;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const CANCEL: u32 = 8;

struct Frames {
    stream: TcpStream,
    next_id: u32,
}

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    id: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn number(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }

    fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    fn is_ping(&self) -> bool {
        self.kind == PING && self.flags & ACK == 0
    }
}

impl Frames {
    async fn connect(server: &Running) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut frames = Self { stream, next_id: 1 };
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(id.to_be_bytes());
        frame.extend(payload);
        // What the server has closed shows when it is read.
        let _ = self.stream.write_all(&frame).await;
    }

    /// Sends a GET, and says which stream it is.
    async fn get(&mut self, path: &str) -> u32 {
        // `GET`, `http`, and then a path and an authority that no table keeps.
        let mut head = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
        head.extend(path.as_bytes());
        head.extend([0x01, 4]);
        head.extend(b"test");
        let id = self.next_id;
        self.next_id += 2;
        self.send(HEADERS, 0x4 | END_STREAM, id, &head).await;
        id
    }

    async fn pong(&mut self, ping: &Frame) {
        self.send(PING, ACK, 0, &ping.payload).await;
    }

    /// The next frame; `None` once the server has closed.
    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = timeout(Duration::from_secs(20), self.stream.read_exact(&mut head)).await;
        read.expect("the server does something").ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.ok()?;
        let id = u32::from_be_bytes(head[5..].try_into().unwrap()) & 0x7fff_ffff;
        Some(Frame { kind: head[3], flags: head[4], id, payload })
    }

    async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().await.expect("the frame comes before the end");
            if wanted(&frame) {
                return frame;
            }
        }
    }
}

/// `/` answers at once, `/wait` once for each permit, `/large` with a mebibyte in one piece, and
/// `/stream` with one in many.
fn router(gate: &Arc<Semaphore>) -> Router {
    let gate = Arc::clone(gate);
    let wait = async move || {
        gate.acquire().await.unwrap().forget();
        "waited"
    };
    let stream = async || {
        let pieces = (0..1024).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1024]));
        Body::from_stream(futures_util::stream::iter(pieces))
    };
    Router::new()
        .route("/", get(async || "hello"))
        .route("/wait", get(wait))
        .route("/large", get(async || vec![b'x'; 1 << 20]))
        .route("/stream", get(stream))
}

fn closed_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

async fn entered(server: &Running, stage: DrainStage) {
    while server.traffic.stage() < stage {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_without_room_is_cancelled_and_the_others_go_on() {
    let settings = ServerSettings::default().write_stall_timeout(Duration::from_millis(300));
    for path in ["/large", "/stream"] {
        let server = Running::start(router(&closed_gate()), settings).await;
        let mut client = Frames::connect(&server).await;
        // Room for the connection, and none for the stream beyond the first 64 KiB.
        client.send(WINDOW_UPDATE, 0, 0, &(8_u32 << 20).to_be_bytes()).await;
        let stalled = client.get(path).await;
        let mut others = 0;
        let until_reset = async {
            loop {
                // Another stream is answered again and again, all the while.
                let other = client.get("/").await;
                let ends = |frame: &Frame| frame.id == other && frame.ends_stream();
                let frame = client.until(|it| it.kind == RST_STREAM || ends(it)).await;
                if frame.kind == RST_STREAM {
                    return frame;
                }
                others += 1;
            }
        };
        let reset = timeout(Duration::from_secs(20), until_reset).await;
        let reset = reset.expect("the stream that has no room goes on for ever");
        assert_eq!((reset.id, reset.number()), (stalled, CANCEL), "{path}");
        assert!(others > 0, "{path}");
        let after = client.get("/").await;
        client.until(|frame| frame.id == after && frame.ends_stream()).await;
        assert_eq!(server.traffic.open_connections(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_gets_room_in_time_goes_on() {
    let settings = ServerSettings::default().write_stall_timeout(Duration::from_millis(500));
    let server = Running::start(router(&closed_gate()), settings).await;
    let mut client = Frames::connect(&server).await;
    client.send(WINDOW_UPDATE, 0, 0, &(8_u32 << 20).to_be_bytes()).await;
    let id = client.get("/large").await;
    let mut received = 0;
    loop {
        let frame = client.next().await.unwrap();
        assert_ne!(frame.kind, RST_STREAM);
        if frame.kind == DATA {
            received += frame.payload.len();
            let room = u32::try_from(frame.payload.len()).unwrap();
            if room > 0 {
                client.send(WINDOW_UPDATE, 0, id, &room.to_be_bytes()).await;
            }
        }
        if frame.ends_stream() {
            break;
        }
    }
    assert_eq!(received, 1 << 20);
}

#[tokio::test]
async fn the_last_stream_is_named_only_after_a_round_trip_and_all_up_to_it_are_answered() {
    let gate = closed_gate();
    let mut server = Running::start(router(&gate), ServerSettings::default()).await;
    let mut client = Frames::connect(&server).await;
    let first = client.get("/wait").await;
    while server.traffic.requests_in_flight() < 1 {
        tokio::task::yield_now().await;
    }
    server.control.stop_within(Duration::from_secs(20));
    // First a warning that names no stream, and a ping.
    let warning = client.until(|frame| frame.kind == GOAWAY).await;
    assert_eq!(warning.number(), 0x7fff_ffff);
    let ping = client.until(Frame::is_ping).await;
    // What was sent before the warning came is taken, for as long as the ping is not answered.
    let second = client.get("/wait").await;
    while server.traffic.requests_in_flight() < 2 {
        tokio::task::yield_now().await;
    }
    client.pong(&ping).await;
    let last = client.until(|frame| frame.kind == GOAWAY).await;
    assert_eq!((last.number(), &last.payload[4..8]), (second, &[0, 0, 0, 0][..]));
    // A stream above it is not answered, and its client knows that nobody has seen it.
    let late = client.get("/").await;
    gate.add_permits(2);
    let mut ended = BTreeMap::new();
    while let Some(frame) = client.next().await {
        assert_ne!(frame.id, late, "{frame:?}");
        if frame.ends_stream() {
            ended.insert(frame.id, ());
        }
    }
    assert_eq!(ended.into_keys().collect::<Vec<_>>(), [first, second]);
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn a_hundred_streams_of_a_connection_are_all_answered_through_a_drain() {
    let gate = closed_gate();
    let mut server = Running::start(router(&gate), ServerSettings::default()).await;
    let mut client = Frames::connect(&server).await;
    let mut open: BTreeMap<u32, ()> = BTreeMap::new();
    for _ in 0..100 {
        open.insert(client.get("/wait").await, ());
    }
    while server.traffic.requests_in_flight() < 100 {
        tokio::task::yield_now().await;
    }
    server.control.stop_within(Duration::from_secs(20));
    entered(&server, DrainStage::Drain).await;
    let ping = client.until(Frame::is_ping).await;
    client.pong(&ping).await;
    let last = client.until(|frame| frame.kind == GOAWAY && frame.number() < 0x7fff_ffff).await;
    assert_eq!(last.number(), 199);
    gate.add_permits(100);
    while let Some(frame) = client.next().await {
        assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
        if frame.ends_stream() {
            open.remove(&frame.id);
        }
    }
    assert!(open.is_empty(), "lost without a word: {open:?}");
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn pings_in_a_graceful_shutdown_are_no_error() {
    // hyperium/hyper#3050: the answer to a keep-alive ping was taken for that of the shutdown.
    let gate = closed_gate();
    let settings = ServerSettings::default().ping_interval(Duration::from_millis(50));
    let mut server = Running::start(router(&gate), settings).await;
    let mut client = Frames::connect(&server).await;
    let waiting = client.get("/wait").await;
    // Pings go before the shutdown, between its steps, and after them.
    let mut pings = 0;
    while pings < 3 {
        let ping = client.until(Frame::is_ping).await;
        client.pong(&ping).await;
        pings += 1;
    }
    server.control.stop_within(Duration::from_secs(20));
    let mut goodbyes = Vec::new();
    while pings < 9 {
        let frame = client.until(|frame| frame.is_ping() || frame.kind == GOAWAY).await;
        if frame.kind == GOAWAY {
            goodbyes.push((frame.number(), frame.payload[4..8].to_vec()));
            continue;
        }
        client.pong(&frame).await;
        pings += 1;
    }
    assert_eq!(goodbyes, [(0x7fff_ffff, vec![0; 4]), (waiting, vec![0; 4])]);
    gate.add_permits(1);
    client.until(|frame| frame.id == waiting && frame.ends_stream()).await;
    while client.next().await.is_some() {}
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn a_client_that_answers_no_ping_loses_its_connection() {
    let settings = ServerSettings::default().ping_interval(Duration::from_millis(100));
    let server = Running::start(router(&closed_gate()), settings).await;
    let mut client = Frames::connect(&server).await;
    client.get("/wait").await;
    while client.next().await.is_some() {}
    server.none_open().await;
    assert_eq!(server.traffic.requests_in_flight(), 0);
}
