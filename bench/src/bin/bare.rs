//! The server that one would write without the framework: `GET /` answers `hello`.
//!
//! Prints its address, and serves until it is killed.

#![allow(clippy::print_stdout, reason = "it is asked for its address")]

use axum::{Router, routing::get};
use tokio::net::TcpListener;

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, Router::new().route("/", get(async || "hello"))).await
    })
}
