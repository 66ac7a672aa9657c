use std::{
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    time::Duration,
};

use framework_bench::{Bytes, Echo};
use framework_process::ipc::{Handlers, Peer, To, socket_pair};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::time::Instant;

use crate::measure::{Row, median};

const ROUNDS: usize = 9;

/// How many round trips a round has.
const TRIPS: usize = 1000;

/// What goes there and back, in bytes.
const LENGTH: usize = 128;

const LIMIT: Duration = Duration::from_secs(10);

/// A typed call to another process, and its answer, beside the same bytes through a bare socket.
pub(crate) fn run() -> Vec<Row> {
    let (bare, _echo) = connected("raw");
    rustix::io::ioctl_fionbio(&bare, false).expect("the socket is open");
    let (typed, _answering) = connected("typed");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the machine has threads left");
    let (mut middle, mut tail) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        // Both ends know the same messages.
        let known = Handlers::new().answer(async |Echo(bytes), _| Ok(bytes));
        let (peer, driver) = Peer::open(typed, known.expect("there is one")).expect("it is open");
        let calls = async {
            for round in 0..=ROUNDS {
                let (bare, typed) = (raw(&bare), through(&peer).await);
                // The first round warms up.
                if round > 0 {
                    middle.push(at(&typed, 50) / at(&bare, 50));
                    tail.push(at(&typed, 99) / at(&bare, 99));
                }
            }
        };
        tokio::select! {
            () = calls => {}
            closed = driver => panic!("the other process has gone: {closed:?}"),
        }
    });
    let row = |what: &str, values, at_most| {
        let value = median(values);
        Row { what: what.to_owned(), measured: format!("{value:.2} ×"), value, at_most }
    };
    vec![
        row("a call of 128 bytes to another process, beside a bare socket, p50", middle, 1.5),
        row("p99 of the same", tail, 2.0),
    ]
}

/// A process that answers, and our end of the socket. It ends when that is closed.
fn connected(how: &str) -> (OwnedFd, Ended) {
    let (ours, theirs) = socket_pair().expect("the machine has descriptors left");
    if how == "raw" {
        rustix::io::ioctl_fionbio(&theirs, false).expect("the socket is open");
    }
    let echo = std::env::current_exe().expect("it has a path").with_file_name("echo");
    let process = Command::new(echo).arg(how).stdin(Stdio::from(theirs)).spawn();
    (ours, Ended(process.expect("`cargo xtask bench` builds it")))
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn raw(socket: &OwnedFd) -> Vec<f64> {
    let (sent, mut back) = ([7; LENGTH], [0; LENGTH]);
    let trip = || {
        let begun = Instant::now();
        send(socket, &sent, SendFlags::empty()).expect("the other process listens");
        let (read, _) = recv(socket, &mut back[..], RecvFlags::empty()).expect("it answers");
        assert_eq!(read, LENGTH, "the other process has gone");
        begun.elapsed().as_secs_f64()
    };
    std::iter::repeat_with(trip).take(TRIPS).collect()
}

async fn through(peer: &Peer) -> Vec<f64> {
    let mut took = Vec::with_capacity(TRIPS);
    for _ in 0..TRIPS {
        let begun = Instant::now();
        let back = peer.call(To::Peer, &Echo(Bytes(vec![7; LENGTH])), LIMIT).await;
        assert_eq!(back.expect("it answers").0.len(), LENGTH);
        took.push(begun.elapsed().as_secs_f64());
    }
    took
}

fn at(took: &[f64], percent: usize) -> f64 {
    let mut took = took.to_vec();
    took.sort_by(f64::total_cmp);
    took[took.len() * percent / 100]
}
