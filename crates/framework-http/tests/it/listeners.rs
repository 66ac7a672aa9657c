//! Several addresses, Unix sockets, and what happens when there are no files left.

use std::{
    net::SocketAddr,
    os::unix::net::UnixListener,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::ConnectInfo, routing::get};
use framework_http::{ListenAddr, Server, ServerSettings, drain};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::client::{Client, Running};

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn every_address_is_served_and_a_unix_socket_leaves_no_file_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let server = server.also_bind("127.0.0.1:0").await.unwrap();
    let server = server.also_bind(&format!("unix:{}", path.display())).await.unwrap();
    let [ListenAddr::Tcp(one), ListenAddr::Tcp(other), ListenAddr::Unix(file)] = server.addresses()
    else {
        panic!("{:?}", server.addresses())
    };
    let (addresses, file) = ([*one, *other], file.clone());
    assert_eq!(file, path);
    let (control, signal) = drain();
    let mut serving = JoinSet::new();
    serving.spawn(server.serve(hello(), signal));
    for address in addresses {
        assert_eq!(Client::connect(address).await.get("/").await.body, "hello");
    }
    let mut unix = UnixStream::connect(&path).await.unwrap();
    unix.write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    unix.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");

    control.stop_within(Duration::from_secs(5));
    serving.join_next().await.unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn the_file_of_a_dead_unix_socket_is_replaced_and_that_of_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let address = format!("unix:{}", path.display());
    // A process that was killed leaves its file behind.
    drop(UnixListener::bind(&path).unwrap());
    let server = Server::bind(&address).await.unwrap();
    let error = Server::bind(&address).await.unwrap_err();
    assert!(error.is_addr_in_use(), "{error}");
    assert!(UnixStream::connect(&path).await.is_ok());
    drop(server);
    assert!(!path.exists());

    std::fs::write(&path, "no socket").unwrap();
    assert!(Server::bind(&address).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "no socket");
}

const CHILD: &str = "FRAMEWORK_HTTP_TEST_FEW_FILES";

/// The limit belongs to a process, so the test is in one of its own.
#[test]
fn without_files_the_server_turns_clients_away_and_recovers_within_a_second() {
    let this = std::env::current_exe().unwrap();
    let mut child = Command::new(this);
    child.args(["--exact", "listeners::in_a_process_with_few_files", "--nocapture"]);
    let output = child.env(CHILD, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("recovered"), "{text}");
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what the parent process looks for")]
async fn in_a_process_with_few_files() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).unwrap();
    let settings = ServerSettings::default().keep_alive(Duration::from_secs(60));
    let server = Running::start(hello(), settings).await;
    let mut good = Client::connect(server.address).await;
    good.get("/").await;

    // Takes what is left, as a leak elsewhere in the process would: the cap on connections does
    // not help against that.
    let mut waiting: Vec<TcpStream> = Vec::new();
    for _ in 0..5 {
        waiting.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut leak = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        leak.push(file);
    }
    // One file is free for a client, none for the server.
    leak.pop();
    let mut told = TcpStream::connect(server.address).await.unwrap();
    let end = timeout(Duration::from_secs(2), told.read(&mut [0; 1])).await;
    assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
    assert_eq!(good.get("/").await.body, "hello");

    drop((leak, told));
    let released = Instant::now();
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.get("/").await.body, "hello");
    assert!(released.elapsed() <= Duration::from_secs(1), "took {:?}", released.elapsed());
    println!("recovered");
}

#[tokio::test]
async fn connections_that_break_off_anywhere_leave_nothing_open() {
    let (entered, router) = (Arc::new(AtomicUsize::new(0)), hello());
    let read = {
        let entered = Arc::clone(&entered);
        async move |body: axum::body::Bytes| {
            entered.fetch_add(1, Ordering::Relaxed);
            body.len().to_string()
        }
    };
    let router = router.route("/read", axum::routing::post(read));
    let server = Running::start(router, ServerSettings::default()).await;
    let request =
        "POST /read HTTP/1.1\r\nhost: test\r\ncontent-length: 20\r\n\r\n01234567890123456789";
    for cut in (0..=request.len()).cycle().take(1000) {
        let stream = TcpStream::connect(server.address).await.unwrap();
        // Without this, the client would say goodbye in an orderly way.
        stream.set_zero_linger().unwrap();
        let mut stream = stream;
        stream.write_all(&request.as_bytes()[..cut]).await.unwrap();
    }
    server.none_open().await;
    assert_eq!(server.traffic.requests_in_flight(), 0);
    assert_eq!(server.traffic.accepted_connections(), 1000);
    assert_eq!(Client::connect(server.address).await.get("/").await.body, "hello");
}

#[tokio::test]
async fn behind_a_proxy_the_address_is_the_one_that_the_proxy_names() {
    let whoami = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let router = Router::new().route("/", get(whoami));
    let settings = ServerSettings::default().proxy_protocol(true);
    let server = Running::start(router, settings).await;
    let mut client = Client::connect(server.address).await;
    client.send("PROXY TCP4 192.0.2.7 10.0.0.1 56324 80\r\n").await;
    assert_eq!(client.get("/").await.body, "192.0.2.7:56324");
    assert_eq!(client.get("/").await.body, "192.0.2.7:56324");

    let mut direct = Client::connect(server.address).await;
    direct.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    direct.closed().await;

    let settings = settings.header_read_timeout(Duration::from_millis(200));
    let server = Running::start(hello(), settings).await;
    let mut slow = Client::connect(server.address).await;
    slow.send("PROXY TCP4 192.0").await;
    slow.closed().await;
}
