use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use framework_http::{DrainStage, ServerSettings};
use http_body_util::StreamBody;
use tokio::{sync::Notify, task::JoinSet, time::Instant};

use crate::client::{Client, Got, Running};

const SOON: Duration = Duration::from_millis(100);

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// A handler that waits until the test lets it go.
fn gate(entered: &Arc<Notify>, open: &Arc<Notify>) -> Router {
    let (entered, open) = (Arc::clone(entered), Arc::clone(open));
    let wait = async move || {
        entered.notify_one();
        open.notified().await;
        "waited"
    };
    hello().route("/wait", get(wait))
}

#[tokio::test]
async fn with_nothing_connected_a_server_stops_within_a_tenth_of_a_second() {
    let mut server = Running::start(hello(), ServerSettings::default()).await;
    let asked = Instant::now();
    server.control.stop_within(Duration::from_secs(20));
    assert_eq!(server.ended().await.cut, []);
    assert!(asked.elapsed() <= SOON, "took {:?}", asked.elapsed());
}

/// Asks over one connection until it is told to leave; `false` if a request was lost.
async fn ask_until_told_to_leave(mut client: Client, answered: Arc<Warm>) -> bool {
    loop {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let Got::Answer(answer) = client.try_answer().await else { return false };
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
        answered.one();
        if answer.headers.get("connection").is_some_and(|value| value == "close") {
            return true;
        }
    }
}

/// Asks over a new connection each time until one is refused, and then once more: a server that
/// has refused one connection takes no other.
async fn ask_anew_until_refused(address: SocketAddr, answered: Arc<Warm>) {
    let request = "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    while let Some(mut client) = Client::try_connect(address).await {
        client.send(request).await;
        match client.try_answer().await {
            Got::Answer(answer) => {
                assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
            }
            // It may be accepted by the kernel and by nobody else: then no byte of it was read.
            Got::Nothing => break,
            Got::Part => panic!("half an answer"),
        }
        answered.one();
    }
    assert!(Client::try_connect(address).await.is_none(), "taken after another was refused");
}

/// Says when enough has been answered.
struct Warm {
    answered: AtomicUsize,
    enough: usize,
    reached: Notify,
}

impl Warm {
    fn new(enough: usize) -> Arc<Self> {
        Arc::new(Self { answered: AtomicUsize::new(0), enough, reached: Notify::new() })
    }

    fn one(&self) {
        if self.answered.fetch_add(1, Ordering::Relaxed) + 1 == self.enough {
            self.reached.notify_one();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_shutdowns_lose_no_request_of_sixty_four_busy_keep_alive_connections() {
    for round in 0..100 {
        let mut server = Running::start(hello(), ServerSettings::default()).await;
        // Another moment each time.
        let warm = Warm::new(200 + round * 13);
        let (mut clients, mut new) = (JoinSet::new(), JoinSet::new());
        for _ in 0..64 {
            let client = Client::connect(server.address).await;
            clients.spawn(ask_until_told_to_leave(client, Arc::clone(&warm)));
        }
        // Only now and then: as long as they come, the server waits for more of them.
        let new_clients = if round % 10 == 0 { 8 } else { 0 };
        for _ in 0..new_clients {
            new.spawn(ask_anew_until_refused(server.address, Arc::clone(&warm)));
        }
        warm.reached.notified().await;
        server.control.stop_within(Duration::from_secs(20));
        let asked = Instant::now();
        let kept: Vec<bool> = clients.join_all().await;
        assert_eq!(kept.iter().filter(|&&kept| !kept).count(), 0, "requests lost in round {round}");
        let report = server.ended().await;
        assert_eq!((report.cut, report.cut_connections), (vec![], 0));
        assert!(asked.elapsed() < Duration::from_secs(2), "took {:?}", asked.elapsed());
        new.join_all().await;
    }
}

#[tokio::test]
async fn a_lame_duck_serves_new_connections_too_and_asks_everyone_to_leave() {
    let server = Running::start(hello(), ServerSettings::default()).await;
    let mut old = Client::connect(server.address).await;
    let before = old.get("/").await;
    assert_eq!(before.headers.get("connection"), None);
    assert_eq!(before.headers["keep-alive"], "timeout=4");

    assert_eq!(old.get("/").await.headers.get("keep-alive"), None);

    server.control.lame_duck();
    let mut stages = Client::connect(server.address).await;
    let during = stages.get("/").await;
    assert_eq!((during.status, during.headers["connection"].as_str()), (200, "close"));
    stages.closed().await;
    assert_eq!(server.traffic.stage(), DrainStage::LameDuck);
    assert_eq!(old.get("/").await.headers["connection"], "close");
    old.closed().await;
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_then_the_server_ends_at_once() {
    let (entered, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut server = Running::start(gate(&entered, &open), ServerSettings::default()).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET /wait HTTP/1.1\r\nhost: test\r\n\r\n").await;
    entered.notified().await;

    server.control.stop_within(Duration::from_secs(20));
    let mut stages = Instant::now();
    while server.traffic.stage() < DrainStage::Drain {
        tokio::task::yield_now().await;
        assert!(stages.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(server.traffic.requests_in_flight(), 1);
    stages = Instant::now();
    open.notify_one();
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.headers["connection"].as_str()), ("waited", "close"));
    assert_eq!(server.ended().await.cut, []);
    assert!(stages.elapsed() <= SOON, "took {:?}", stages.elapsed());
}

#[tokio::test]
async fn at_the_deadline_each_request_that_is_cut_off_is_named() {
    let (entered, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut server = Running::start(gate(&entered, &open), ServerSettings::default()).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET /wait?token=secret HTTP/1.1\r\nhost: test\r\n\r\n").await;
    entered.notified().await;

    server.control.stop_within(Duration::from_millis(300));
    let report = server.ended().await;
    assert_eq!(report.cut_connections, 1);
    let [cut] = report.cut.as_slice() else { panic!("{report:?}") };
    assert_eq!((cut.method.as_str(), cut.path.as_str()), ("GET", "/wait"));
    assert!(cut.age >= Duration::from_millis(290), "{:?}", cut.age);
    assert_eq!(client.try_answer().await, Got::Nothing);
}

#[tokio::test]
async fn half_sent_heads_and_readers_that_stall_hold_a_shutdown_no_longer_than_its_deadline() {
    let endless = async || {
        let chunk =
            || Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(&[b'x'; 65536])));
        Body::new(StreamBody::new(futures_util::stream::repeat_with(chunk)))
    };
    let router = hello().route("/endless", get(endless));
    let settings = ServerSettings::default().drain_linger(Duration::from_secs(1));
    let mut server = Running::start(router, settings).await;
    let mut half = Client::connect(server.address).await;
    half.send("GET / HTTP/1.1\r\nhost: te").await;
    let mut stalled = Client::connect(server.address).await;
    stalled.send("GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut other = Client::connect(server.address).await;
    while server.traffic.requests_in_flight() == 0 {
        other.get("/").await;
    }

    let asked = Instant::now();
    server.control.stop_within(Duration::from_millis(1500));
    let report = server.ended().await;
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(1500) && took < Duration::from_millis(2000), "{took:?}");
    assert_eq!(report.cut.len(), 1, "{report:?}");
    assert_eq!(report.cut[0].path, "/endless");
    assert_eq!(report.cut_connections, 2);
}

#[tokio::test]
async fn an_idle_connection_goes_within_the_linger_and_holds_nothing_else_up() {
    let settings = ServerSettings::default().drain_linger(Duration::from_millis(200));
    let mut server = Running::start(hello(), settings).await;
    let mut idle = Client::connect(server.address).await;
    idle.get("/").await;
    let asked = Instant::now();
    server.control.stop_within(Duration::from_secs(20));
    idle.closed().await;
    server.ended().await;
    assert!(asked.elapsed() < Duration::from_millis(400), "took {:?}", asked.elapsed());
}

#[tokio::test]
async fn a_second_order_brings_the_deadline_forward() {
    let (entered, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut server = Running::start(gate(&entered, &open), ServerSettings::default()).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET /wait HTTP/1.1\r\nhost: test\r\n\r\n").await;
    entered.notified().await;
    let asked = Instant::now();
    server.control.stop_within(Duration::from_secs(20));
    server.control.stop_within(Duration::from_millis(200));
    assert_eq!(server.ended().await.cut.len(), 1);
    assert!(asked.elapsed() < Duration::from_millis(700), "took {:?}", asked.elapsed());
}

#[tokio::test]
async fn new_connections_are_refused_once_the_server_has_ended() {
    let mut server = Running::start(hello(), ServerSettings::default()).await;
    server.control.stop_within(Duration::from_secs(1));
    server.ended().await;
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}
