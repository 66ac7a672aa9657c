use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use crate::{
    measure::{Row, median},
    server::Server,
};

const ROUNDS: usize = 10;
const CONNECTIONS: usize = 64;
const ROUND: Duration = Duration::from_millis(1500);

/// A product from memory, with the default stack and on bare axum: 64 connections that ask again
/// as soon as they have their answer.
pub(crate) fn run() -> Vec<Row> {
    let bare = Server::bare().expect("the bare server starts");
    let app = Server::app("shelf").expect("the application starts");
    drop((bare.connect(), app.connect()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the machine has threads left");
    let (mut throughput, mut tail) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let of = |address| runtime.block_on(load(address));
        // Each as often first as second, whatever the machine does meanwhile.
        let (bare, app) = if round % 2 == 0 {
            let bare = of(bare.address);
            (bare, of(app.address))
        } else {
            let app = of(app.address);
            (of(bare.address), app)
        };
        // The first round warms up.
        if round > 0 {
            throughput.push(bare.each / app.each);
            tail.push(app.p99 / bare.p99);
        }
    }
    let (throughput, tail) = (median(throughput), median(tail));
    vec![
        Row {
            what: "time a request from memory takes with the default stack, beside bare axum"
                .to_owned(),
            measured: format!("{:.3} × ({throughput:.3} of its throughput)", 1.0 / throughput),
            value: 1.0 / throughput,
            at_most: 1.03,
        },
        Row {
            what: "p99 of the same".to_owned(),
            measured: format!("{tail:.2} ×"),
            value: tail,
            at_most: 1.10,
        },
    ]
}

/// What one round saw, in seconds.
struct Load {
    each: f64,
    p99: f64,
}

async fn load(address: SocketAddr) -> Load {
    let until = Instant::now() + ROUND;
    let mut tasks: JoinSet<Vec<f64>> =
        (0..CONNECTIONS).map(|n| ask(address, n as u64 % 100 + 1, until)).collect();
    let mut took = Vec::new();
    while let Some(times) = tasks.join_next().await {
        took.extend(times.expect("no connection panics"));
    }
    took.sort_by(f64::total_cmp);
    Load { each: ROUND.as_secs_f64() / took.len() as f64, p99: took[took.len() * 99 / 100] }
}

/// How many requests a second are answered with half of the connections at each address.
pub(crate) async fn load_both(addresses: [SocketAddr; 2], round: Duration) -> f64 {
    let until = Instant::now() + round;
    let connections = (0..CONNECTIONS).map(|n| ask(addresses[n % 2], n as u64 % 100 + 1, until));
    let mut tasks: JoinSet<Vec<f64>> = connections.collect();
    let mut answered = 0;
    while let Some(times) = tasks.join_next().await {
        answered += times.expect("no connection panics").len();
    }
    answered as f64 / round.as_secs_f64()
}

async fn ask(address: SocketAddr, product: u64, until: Instant) -> Vec<f64> {
    let request = format!("GET /products/{product} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("the socket is open");
    let (mut times, mut buffer) = (Vec::new(), [0; 1024]);
    while Instant::now() < until {
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let mut filled = 0;
        while !is_whole(&buffer[..filled]) {
            let read = stream.read(&mut buffer[filled..]).await.expect("the server answers");
            assert!(read > 0, "the server hung up");
            filled += read;
        }
        times.push(begun.elapsed().as_secs_f64());
    }
    times
}

/// Whether this is a whole answer. The document is small, and ends with the only brace that closes.
fn is_whole(answer: &[u8]) -> bool {
    assert!(answer.is_empty() || b"HTTP/1.1 200".starts_with(&answer[..answer.len().min(12)]));
    answer.last() == Some(&b'}')
}
