//! Sockets that somebody else holds: taken over, left open at the end, lent.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::{BorrowedFd, OwnedFd},
    os::unix::net::UnixListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use framework_core::{BoxFuture, LentSocket, SocketSource};
use framework_http::{Server, drain};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use crate::client::Client;

/// Holds one socket, and lends what it is told to.
#[derive(Debug)]
struct Holder {
    socket: Option<TcpListener>,
    bound: Mutex<Vec<String>>,
    lent: Arc<tokio::sync::Mutex<mpsc::Receiver<LentSocket>>>,
}

impl Holder {
    fn of(socket: Option<TcpListener>) -> (Arc<Self>, mpsc::Sender<LentSocket>) {
        let (send, lent) = mpsc::channel(4);
        let lent = Arc::new(tokio::sync::Mutex::new(lent));
        (Arc::new(Self { socket, bound: Mutex::default(), lent }), send)
    }
}

impl SocketSource for Holder {
    fn socket(&self, name: &str, address: &str) -> BoxFuture<io::Result<Option<OwnedFd>>> {
        assert_eq!((name, address), ("web", "127.0.0.1:0"));
        let socket = self.socket.as_ref().map(|socket| socket.try_clone().unwrap().into());
        Box::pin(async move { Ok(socket) })
    }

    fn bound(&self, _name: &str, address: &str, socket: BorrowedFd<'_>) {
        let own = TcpListener::from(socket.try_clone_to_owned().unwrap());
        self.bound.lock().unwrap().push(format!("{address} {}", own.local_addr().unwrap().ip()));
    }

    fn lent(&self, _name: &str, _address: &str) -> BoxFuture<LentSocket> {
        let lent = Arc::clone(&self.lent);
        Box::pin(async move {
            match lent.lock().await.recv().await {
                Some(change) => change,
                None => std::future::pending().await,
            }
        })
    }
}

fn named(name: &'static str) -> Router {
    Router::new().route("/", get(async move || name))
}

fn listening() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn a_socket_of_somebody_else_is_served_and_stays_open_for_whoever_comes_next() {
    let (socket, address) = listening();
    let (holder, _lend) = Holder::of(Some(socket));
    let source: Arc<dyn SocketSource> = Arc::<Holder>::clone(&holder);
    for name in ["first", "second"] {
        let server = Server::open("web", "127.0.0.1:0", Some(&source)).await.unwrap();
        assert_eq!(server.local_addr(), address);
        let (control, signal) = drain();
        let mut serving = JoinSet::new();
        serving.spawn(server.serve(named(name), signal));
        assert_eq!(Client::connect(address).await.get("/").await.body, name);
        control.stop_within(Duration::from_secs(5));
        let ended = timeout(Duration::from_millis(40), serving.join_next()).await;
        ended.expect("nobody waits for a queue that others serve").unwrap().unwrap();
        // Nobody accepts now, and nobody is refused.
        drop(Client::connect(address).await);
    }
    assert!(holder.bound.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_source_without_a_socket_hears_of_the_one_that_is_bound() {
    let (holder, _lend) = Holder::of(None);
    let source: Arc<dyn SocketSource> = Arc::<Holder>::clone(&holder);
    let server = Server::open("web", "127.0.0.1:0", Some(&source)).await.unwrap();
    assert_ne!(server.local_addr().port(), 0);
    assert_eq!(*holder.bound.lock().unwrap(), ["127.0.0.1:0 127.0.0.1"]);
}

#[tokio::test]
async fn a_socket_that_does_not_listen_yet_does_so_once_the_server_serves() {
    use rustix::net::{AddressFamily, SocketType, bind, socket};
    let bound = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&bound, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let (holder, _lend) = Holder::of(Some(bound.into()));
    let source: Arc<dyn SocketSource> = holder;
    let server = Server::open("web", "127.0.0.1:0", Some(&source)).await.unwrap();
    let address = server.local_addr();
    assert!(Client::try_connect(address).await.is_none(), "it listens too early");
    let (_control, signal) = drain();
    let mut serving = JoinSet::new();
    serving.spawn(server.serve(named("late"), signal));
    let client = async {
        loop {
            match Client::try_connect(address).await {
                Some(client) => return client,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let mut client = timeout(Duration::from_secs(5), client).await.unwrap();
    assert_eq!(client.get("/").await.body, "late");
}

#[tokio::test]
async fn what_is_lent_is_served_until_it_is_returned() {
    let (own, _) = listening();
    let (other, others_address) = listening();
    let (holder, lend) = Holder::of(Some(own));
    let source: Arc<dyn SocketSource> = holder;
    let server = Server::open("web", "127.0.0.1:0", Some(&source)).await.unwrap();
    let (_control, signal) = drain();
    let mut serving = JoinSet::new();
    serving.spawn(server.serve(named("lender"), signal));

    let socket = other.try_clone().unwrap().into();
    lend.send(LentSocket::Lend { id: 7, socket }).await.unwrap();
    assert_eq!(Client::connect(others_address).await.get("/").await.body, "lender");

    lend.send(LentSocket::Return { id: 7 }).await.unwrap();
    other.set_nonblocking(true).unwrap();
    let other = tokio::net::TcpListener::from_std(other).unwrap();
    // The owner alone accepts again, once the server has heard of it.
    let accepted = async {
        loop {
            let _waiting = Client::connect(others_address).await;
            if let Ok(accepted) = timeout(Duration::from_millis(20), other.accept()).await {
                return accepted.unwrap();
            }
        }
    };
    timeout(Duration::from_secs(5), accepted).await.expect("the server still accepts");
}

/// Has bound a Unix socket, in an earlier process perhaps.
#[derive(Debug)]
struct Owner {
    socket: UnixListener,
    handed_on: AtomicBool,
    owns: AtomicBool,
}

impl SocketSource for Owner {
    fn socket(&self, _name: &str, _address: &str) -> BoxFuture<io::Result<Option<OwnedFd>>> {
        let socket = self.socket.try_clone().unwrap().into();
        Box::pin(async move { Ok(Some(socket)) })
    }

    fn has_handed_on(&self) -> bool {
        self.handed_on.load(Ordering::SeqCst)
    }

    fn owns_file(&self, name: &str, address: &str) -> bool {
        assert!(name == "web" && address.starts_with("unix:"));
        self.owns.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn the_file_of_a_socket_goes_with_the_last_of_those_who_own_it() {
    for (owns, handed_on, stays) in
        [(true, false, false), (false, false, true), (true, true, true), (false, true, true)]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.sock");
        let address = format!("unix:{}", path.display());
        let owner = Arc::new(Owner {
            socket: UnixListener::bind(&path).unwrap(),
            handed_on: AtomicBool::new(false),
            owns: AtomicBool::new(!owns),
        });
        let source: Arc<dyn SocketSource> = Arc::<Owner>::clone(&owner);
        let server = Server::open("web", &address, Some(&source)).await.unwrap();
        // What counts is who owns it at the end.
        owner.owns.store(owns, Ordering::SeqCst);
        owner.handed_on.store(handed_on, Ordering::SeqCst);
        drop(server);
        assert_eq!(path.exists(), stays, "owns {owns}, handed on {handed_on}");
    }
}

#[tokio::test]
async fn a_socket_whose_file_is_gone_is_served_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let address = format!("unix:{}", path.display());
    let socket = UnixListener::bind(&path).unwrap();
    let owner = Owner { socket, handed_on: AtomicBool::new(false), owns: AtomicBool::new(true) };
    std::fs::remove_file(&path).unwrap();
    let source: Arc<dyn SocketSource> = Arc::new(owner);
    assert!(Server::open("web", &address, Some(&source)).await.is_ok());
}
