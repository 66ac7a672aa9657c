//! The server that one would write without the framework: `GET /` answers `hello`, and
//! `GET /products/{id}` a product from memory.
//!
//! Prints its address, and serves until it is killed.

#![allow(clippy::print_stdout, reason = "it is asked for its address")]

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use serde::Serialize;
use tokio::net::TcpListener;

type Shelf = Arc<HashMap<u64, Product>>;

#[derive(Clone, Serialize)]
struct Product {
    id: u64,
    name: &'static str,
    price_cents: u64,
}

async fn show(
    State(shelf): State<Shelf>,
    Path(id): Path<u64>,
) -> Result<Json<Product>, StatusCode> {
    shelf.get(&id).cloned().map(Json).ok_or(StatusCode::NOT_FOUND)
}

fn main() -> std::io::Result<()> {
    let product = |id| (id, Product { id, name: "a book", price_cents: 1299 });
    let shelf: Shelf = Arc::new((1..=100).map(product).collect());
    let router = Router::new().route("/", get(async || "hello")).route("/products/{id}", get(show));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, router.with_state(shelf)).await
    })
}
