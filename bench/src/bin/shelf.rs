//! A product from memory, served with everything that an application has by default.

use std::{collections::HashMap, process::ExitCode, sync::Arc};

use framework::prelude::*;
use serde::Serialize;

/// Products by id.
struct Shelf(HashMap<u64, Product>);

#[derive(Clone, Serialize)]
struct Product {
    id: u64,
    name: &'static str,
    price_cents: u64,
}

impl Shelf {
    fn new() -> Self {
        let product = |id| (id, Product { id, name: "a book", price_cents: 1299 });
        Self((1..=100).map(product).collect())
    }
}

async fn show(Dep(shelf): Dep<Shelf>, Path(id): Path<u64>) -> Result<Json<Product>, Problem> {
    shelf.0.get(&id).cloned().map(Json).ok_or_else(Problem::not_found)
}

fn main() -> ExitCode {
    let module = module_fn("shelf", |reg| {
        reg.inject(Shelf::new);
        reg.routes::<Arc<Shelf>>(Router::new().route("/products/{id}", get(show)));
    });
    framework::cli::main(App::builder("shelf").modules(module))
}
