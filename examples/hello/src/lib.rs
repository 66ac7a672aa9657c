//! The smallest application that is still a real one: one module, and one route.

#![deny(missing_docs)]

use framework::prelude::*;

/// Answers `GET /`.
#[derive(Clone, Debug)]
pub struct Greeting;

impl Module for Greeting {
    fn name(&self) -> &'static str {
        "greeting"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.routes(routes());
    }
}

fn routes() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// The application.
pub fn app() -> AppBuilder {
    App::builder("hello").version(env!("CARGO_PKG_VERSION")).modules(Greeting)
}
