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
        let router = Router::new().route("/", get(async || "hello"));
        reg.routes_with(router, |_cx| Ok(()));
    }
}

/// The application.
pub fn app() -> AppBuilder {
    App::builder("hello").version(env!("CARGO_PKG_VERSION")).modules(Greeting)
}
