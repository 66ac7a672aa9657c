//! The operator's listener: health, metrics and what the application knows about itself.
//!
//! * [`AdminModule`] brings it to an application: it is up before the other modules start, and
//!   answers until they have stopped. [`AdminSettings`] is its section of the configuration.
//! * [`AdminHandle`] says where it listens.
//! * [`AdminState`] is what it shows, and [`router`] shows it, for use without modules.
//!
//! | path | answer |
//! |---|---|
//! | `/` | a page for people: the modules, their states, the graph, the health checks |
//! | `/health` | how the application is, each check included; 200 or 503 |
//! | `/livez` `/readyz` `/startupz` | 200 or 503 |
//! | `/metrics` | the metrics, for Prometheus |
//! | `/debug` | the process, its runtime and its machine |
//! | `/debug/modules` | each module with its state, what it waits for and what it provides |
//! | `/debug/startup` | where the time of the start went; `?format=perfetto` for a trace viewer |
//! | `/debug/config` | the configuration in force with its origins, secrets left out |
//! | `/debug/health-report` | as `/health`, and always 200 |
//! | `/debug/log-level` | GET shows how much is logged, PUT changes it |
//! | `/debug/graph` | the graph of the modules, `?format=text\|mermaid\|dot\|json\|svg` |
//! | `/debug/routes` | the routes that the application serves |
//!
//! Errors are problem documents.
//!
//! # Who may ask
//!
//! Without a token only whoever is on the same machine: the listener is on loopback, and a request
//! must name it by an IP address or as `localhost`, so that no web page can reach it under a name
//! of its own. With a token, each request carries it as `Authorization: Bearer …`. On any other
//! address there has to be a token.

#![deny(missing_docs)]

pub mod codes;
mod endpoints;
mod error;
mod guard;
mod handle;
mod module;
mod settings;
mod state;

pub use self::{
    endpoints::router, error::AdminError, guard::Guard, handle::AdminHandle, module::AdminModule,
    settings::AdminSettings, state::AdminState,
};
