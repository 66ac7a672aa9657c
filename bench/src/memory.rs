use std::{
    fs,
    io::{Read, Write},
};

use crate::{
    measure::{Row, median},
    server::Server,
};

const ROUNDS: usize = 7;
const REQUESTS: usize = 200;

/// The idle memory of `hello` beside that of a bare axum server, after a few requests each.
pub(crate) fn run() -> Vec<Row> {
    let (mut bare, mut hello) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(idle_mib(&Server::bare().expect("the bare server starts")));
        hello.push(idle_mib(&Server::app("hello").expect("hello starts")));
    }
    let (bare, hello) = (median(bare), median(hello));
    vec![Row {
        what: "idle memory of `hello`, beside a bare axum server's".to_owned(),
        measured: format!("{:.2} × ({hello:.1} MiB, {bare:.1} MiB)", hello / bare),
        value: hello / bare,
        at_most: 1.5,
    }]
}

/// The resident memory in MiB, after it has answered a few requests.
fn idle_mib(server: &Server) -> f64 {
    let mut connection = server.connect();
    let mut answer = [0; 1024];
    for _ in 0..REQUESTS {
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        connection.write_all(request).expect("the server reads");
        let read = connection.read(&mut answer).expect("the server answers");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "it answers otherwise");
    }
    resident_mib(server)
}

/// The resident memory in MiB.
pub(crate) fn resident_mib(server: &Server) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.expect("the kernel says how much memory a process has") / 1024.0
}
