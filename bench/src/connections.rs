//! The memory of idle keep-alive connections, beside those of a server on bare hyper.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    measure::{Row, median},
    memory::resident_mib,
    server::Server,
};

const ROUNDS: usize = 3;
const CONNECTIONS: usize = 10_000;
/// Open files beside connections.
const SPARE: u64 = 256;

pub(crate) fn run() -> Vec<Row> {
    let count = room_for(CONNECTIONS);
    let (mut bare, mut hello) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(kib_each(&Server::printing("bare_hyper").expect("bare hyper starts"), count));
        let patient = [("HTTP__KEEP_ALIVE", "10m"), ("HTTP__MAX_CONNECTIONS", "20000")];
        hello.push(kib_each(&Server::app_with("hello", &patient).expect("hello starts"), count));
    }
    let (bare, hello) = (median(bare), median(hello));
    vec![Row {
        what: format!("memory of {count} idle keep-alive connections, beside bare hyper's"),
        measured: format!("{:.2} × ({hello:.2} KiB each, {bare:.2} KiB)", hello / bare),
        value: hello / bare,
        at_most: 1.1,
    }]
}

/// What each of `count` connections adds to a server that has answered a request on it.
fn kib_each(server: &Server, count: usize) -> f64 {
    // What the first ones cost is the server's own.
    let warm: Vec<TcpStream> = (0..64).map(|_| used(server)).collect();
    let empty = resident_mib(server);
    let idle: Vec<TcpStream> = (0..count).map(|_| used(server)).collect();
    let full = resident_mib(server);
    drop((warm, idle));
    (full - empty) * 1024.0 / count as f64
}

fn used(server: &Server) -> TcpStream {
    let mut connection = server.connect();
    let mut answer = [0; 1024];
    connection.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("the server reads");
    let read = connection.read(&mut answer).expect("the server answers");
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "it answers otherwise");
    connection
}

/// Raises the limit on open files, which servers inherit; how many connections there is room for.
fn room_for(wanted: usize) -> usize {
    let old = getrlimit(Resource::Nofile);
    let needed = wanted as u64 + SPARE;
    let current = old.maximum.map_or(needed, |most| most.min(needed));
    if old.current.is_some_and(|now| now < current) {
        let raised = Rlimit { current: Some(current), maximum: old.maximum };
        setrlimit(Resource::Nofile, raised).expect("up to the maximum anybody may");
    }
    usize::try_from(current.saturating_sub(SPARE)).map_or(wanted, |room| room.min(wanted))
}
