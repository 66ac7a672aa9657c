use std::time::Duration;

use crate::{
    http::load_both,
    measure::{Row, median},
    server::Server,
};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(1000);

/// A cluster of two workers beside two processes that know nothing of each other, under the same
/// connections.
pub(crate) fn run() -> Vec<Row> {
    let one = Server::app("shelf").expect("the application starts");
    let other = Server::app("shelf").expect("the application starts");
    let cluster = Server::cluster("shelf", 2).expect("the cluster starts");
    for server in [&one, &other, &cluster] {
        drop(server.connect());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the machine has threads left");
    let mut ratios = Vec::new();
    for round in 0..=ROUNDS {
        let of = |addresses| runtime.block_on(load_both(addresses, ROUND));
        let single = of([one.address, other.address]);
        let together = of([cluster.address, cluster.address]);
        // The first round warms up.
        if round > 0 {
            ratios.push(together / single);
        }
    }
    let ratio = median(ratios);
    vec![Row {
        what: "time a request takes in a cluster of two, beside two single processes".to_owned(),
        measured: format!("{:.3} × ({ratio:.3} of their throughput)", 1.0 / ratio),
        value: 1.0 / ratio,
        at_most: 1.053,
    }]
}
