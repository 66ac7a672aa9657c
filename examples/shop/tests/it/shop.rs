//! The real binary, in a directory of its own.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    task::JoinSet,
    time::timeout,
};

use crate::client::Client;

/// A running shop, which is killed when the test ends.
pub(crate) struct Shop {
    process: Child,
    address: SocketAddr,
    // Keeps on reading the log, so that the shop never waits for a reader.
    _log: JoinSet<()>,
}

/// Waits for what takes much less than a minute.
pub(crate) async fn in_time<F: Future>(wait: F) -> F::Output {
    timeout(Duration::from_secs(50), wait).await.expect("it does not take that long")
}

/// The shop's binary, to be run in `dir`.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command
        .current_dir(dir)
        .env("SHOP_HTTP__ADDR", "127.0.0.1:0")
        .env("SHOP_ADMIN__ENABLED", "false")
        .env("SHOP_TELEMETRY__LOG__FORMAT", "json")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Shop {
    /// Starts the shop; its port takes connections, and answers when the shop is ready.
    pub(crate) async fn start(dir: &Path) -> Self {
        let mut process = command(dir).spawn().expect("the binary was built");
        let mut log = BufReader::new(process.stderr.take().expect("it is piped"));
        let address = in_time(address(&mut log)).await;
        let mut drain = JoinSet::new();
        drain.spawn(async move {
            let _ = tokio::io::copy(&mut log, &mut tokio::io::sink()).await;
        });
        Self { process, address, _log: drain }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Sends a signal to this process.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.process.id().expect("it runs");
        let id = Pid::from_raw(id.try_into().expect("ids are small")).expect("ids are not 0");
        kill_process(id, signal).expect("it runs");
    }

    /// Waits for the end of the process, and tells its exit code, which there is unless it was
    /// killed.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        in_time(self.process.wait()).await.expect("it was started").code()
    }

    /// Adds the product `A-1`, with the id 1.
    pub(crate) async fn stock_up(&self, stock: i64) {
        let mut client = self.client();
        client.post("/categories", &json!({ "name": "all" })).await.expect(201);
        client.post("/products", &product("A-1", stock)).await.expect(201);
    }

    /// How many there are of the product with the id 1.
    pub(crate) async fn stock(&self) -> i64 {
        self.client().get("/products/1").await.expect(200)["stock"].as_i64().expect("a number")
    }
}

/// A product of the first category that costs 250 cents.
pub(crate) fn product(sku: &str, stock: i64) -> Value {
    json!({ "sku": sku, "name": "A thing", "price_cents": 250, "category": 1, "stock": stock })
}

/// One of the product `A-1`.
pub(crate) fn one() -> Value {
    json!([{ "sku": "A-1", "quantity": 1 }])
}

/// Where the log says that the shop listens.
async fn address(log: &mut BufReader<ChildStderr>) -> SocketAddr {
    let mut all = String::new();
    loop {
        let begin = all.len();
        let read = log.read_line(&mut all).await.expect("the log is text");
        assert!(read > 0, "the shop ended instead of listening:\n{all}");
        let Some((_, rest)) = all[begin..].split_once("listening on http://") else { continue };
        let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit());
        return rest[..end.unwrap_or(rest.len())].parse().expect("an address");
    }
}
