//! One crate to build an application on: modules, injection, configuration, HTTP, operations.
//!
//! An application is a set of modules. A [module](core::Module) says, once and without doing
//! anything, what it offers and what it uses. The order in which modules start and stop, the checks
//! before that, and what operators see are derived from it.
//!
//! # A first application
//!
//! ```
//! use framework::prelude::*;
//!
//! struct Greeting;
//!
//! impl Module for Greeting {
//!     fn name(&self) -> &'static str {
//!         "greeting"
//!     }
//!
//!     fn register(self, reg: &mut Registrar<'_>) {
//!         reg.routes(routes());
//!     }
//! }
//!
//! fn routes() -> Router {
//!     Router::new().route("/", get(async || "hello"))
//! }
//!
//! fn app() -> AppBuilder {
//!     App::builder("hello").modules(Greeting)
//! }
//!
//! fn main() -> ExitCode {
//!     # let _checked = app().plan().unwrap();
//!     # if true { return ExitCode::SUCCESS }
//!     framework::cli::main(app())
//! }
//! ```
//!
//! `cargo run` serves it on `127.0.0.1:8080`, and `cargo run -- --help` shows what else it can do:
//!
//! | verb | what it does |
//! |---|---|
//! | `serve` | runs the application; what happens without a verb |
//! | `check` | prints everything that is wrong with the modules and the configuration, and starts nothing |
//! | `graph` | prints the modules and who waits for whom |
//! | `config show --origin` | prints each value in force, and the file and line, variable or flag that set it |
//! | `explain E0103` | explains an error |
//!
//! Operators find `/metrics`, `/health` and a page that draws the application on `127.0.0.1:9090`.
//!
//! # Values: who provides, who needs
//!
//! A constructor is any function; what it takes is what it needs. Nothing is looked up by a name,
//! so what is missing, there twice or goes round in a circle is told before anything starts.
//!
//! ```
//! use framework::prelude::*;
//! use std::sync::Arc;
//!
//! struct Pool;
//!
//! struct Products {
//!     pool: Arc<Pool>,
//! }
//!
//! impl Products {
//!     fn new(pool: Arc<Pool>) -> Self {
//!         Self { pool }
//!     }
//!
//!     fn name(&self, id: u64) -> Option<&'static str> {
//!         (id == 1).then_some("a teapot")
//!     }
//! }
//!
//! // The state of the routes is injected, too: once, when the module starts.
//! #[derive(Clone, Inject)]
//! struct CatalogState {
//!     products: Arc<Products>,
//! }
//!
//! async fn show(State(state): State<CatalogState>, Path(id): Path<u64>) -> Result<&'static str, Problem> {
//!     state.products.name(id).ok_or_else(Problem::not_found)
//! }
//!
//! let data = module_fn("data", |reg| {
//!     reg.inject_async(async || -> std::io::Result<_> { Ok(Pool) });
//! });
//! let catalog = module_fn("catalog", |reg| {
//!     reg.inject(Products::new);
//!     reg.routes(Router::<CatalogState>::new().route("/products/{id}", get(show)));
//! });
//!
//! // In whatever order modules are named, `data` starts first, and `http` last of all.
//! let graph = App::builder("shop").modules((catalog, data)).plan()?;
//! let names: Vec<_> = graph.modules().iter().map(|module| module.name).collect();
//! let place = |name| names.iter().position(|it| *it == name);
//! assert!(place("data") < place("catalog") && place("catalog") < place("http"));
//! # Ok::<(), framework::PlanError>(())
//! ```
//!
//! # Running code: set up, run, tear down
//!
//! Work that must be done before others start is a `setup`. Work that lasts is a `run`: its outer
//! future starts it, and the future inside of that *is* the work, so nobody has to say when it is
//! ready. What started is stopped in reverse order, each within a limit, also after a failure.
//!
//! ```
//! use framework::prelude::*;
//! use std::time::Duration;
//!
//! let feeds = module_fn("feeds", |reg| {
//!     let cache = reg.provide(|_cx| async { Ok(Vec::<String>::with_capacity(100)) });
//!     reg.setup("warm-up", move |cx| async move {
//!         cx.note("reading yesterday's items");
//!         assert!(cx.get(&cache).is_empty());
//!         Ok(())
//!     });
//!     reg.run("poll", |cx| async move {
//!         // Open what the work needs; others that rely on this module wait for it.
//!         Ok(async move {
//!             cx.shutdown().await;
//!             Ok(())
//!         })
//!     });
//!     reg.teardown("save", |_cx| async { Ok(()) });
//!     reg.stop_timeout(Duration::from_secs(2));
//! });
//! assert!(App::builder("feeds").modules(feeds).plan().is_ok());
//! ```
//!
//! # Configuration: typed sections
//!
//! Each module owns a section. Its fields are the keys, their comments the reference
//! (`config reference`), and its `Default` is what holds where nothing is set. Files in `config/`,
//! the environment (`SHOP_CATALOG__PAGE_SIZE`) and `--set catalog.page_size=50` set the rest; a key
//! that nobody knows is an error that names the nearest one.
//!
//! ```
//! use framework::prelude::*;
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// The catalog of products.
//! #[derive(Debug, Serialize, Deserialize, JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct CatalogSettings {
//!     /// How many products a page shows, 1 to 1000.
//!     page_size: u32,
//! }
//!
//! impl Default for CatalogSettings {
//!     fn default() -> Self {
//!         Self { page_size: 20 }
//!     }
//! }
//!
//! impl Settings for CatalogSettings {
//!     fn validate(&self, faults: &mut Faults) {
//!         if !(1..=1000).contains(&self.page_size) {
//!             faults.add("page_size", "must be from 1 to 1000");
//!         }
//!     }
//! }
//!
//! let catalog = module_fn("catalog", |reg| {
//!     let settings = reg.config::<CatalogSettings>("catalog");
//!     reg.setup("say", move |_cx| async move {
//!         assert_eq!(settings.get().page_size, 20);
//!         Ok(())
//!     });
//! });
//! assert!(App::builder("shop").modules(catalog).plan().is_ok());
//! ```
//!
//! # An interface that checks and documents itself
//!
//! With the features `validation` and `openapi`, what handlers take and give is all there is to
//! write: requests are checked against the schemas of their types, and the same schemas make the
//! document at `/openapi.json` and the page at `/docs`. Handlers stay as they are.
//!
//! ```
//! # #[cfg(all(feature = "openapi", feature = "validation"))] {
//! use framework::{http::openapi::{ApiRouter, get, post}, prelude::*};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// Something that is for sale.
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Product {
//!     /// What it is called.
//!     #[schemars(length(min = 1, max = 200))]
//!     name: String,
//!     /// How many there are.
//!     #[schemars(range(min = 0))]
//!     stock: i64,
//! }
//!
//! async fn add(Valid(Json(new)): Valid<Json<Product>>) -> Created<Product> {
//!     Created::new(new).at("/products/1")
//! }
//!
//! async fn show(Path(id): Path<u64>) -> Result<Json<Product>, Problem> {
//!     Err(Problem::not_found().detail(format!("there is no product {id}")))
//! }
//!
//! let catalog = module_fn("catalog", |reg| {
//!     let show = get(show).problem(StatusCode::NOT_FOUND, "there is no such product");
//!     let routes = ApiRouter::new().route("/products", post(add)).route("/products/{id}", show);
//!     reg.api::<()>(routes);
//! });
//! let documentation = OpenApiModule::new("shop", "1.0.0");
//! assert!(App::builder("shop").modules((catalog, documentation)).plan().is_ok());
//! # }
//! ```
//!
//! # Health and metrics
//!
//! ```
//! use framework::prelude::*;
//!
//! struct Queue(Need<Vec<u64>>);
//!
//! impl Check for Queue {
//!     async fn check(&self, cx: &Context) -> Health {
//!         match cx.try_get(&self.0).map_or(0, |queue| queue.len()) {
//!             0..1000 => Health::healthy(),
//!             waiting => Health::degraded(format!("{waiting} orders wait")),
//!         }
//!     }
//! }
//!
//! let ordering = module_fn("ordering", |reg| {
//!     let queue = reg.provide(|_cx| async { Ok(Vec::<u64>::new()) });
//!     reg.health("queue", Queue(queue));
//!     let metrics = reg.need::<Metrics>();
//!     reg.setup("metrics", move |cx| async move {
//!         let placed = cx.get(&metrics).counter("orders_total", "Orders that were placed.", &[])?;
//!         placed.with(&[]).inc();
//!         Ok(())
//!     });
//! });
//! assert!(App::builder("shop").modules(ordering).plan().is_ok());
//! ```
//!
//! `/readyz` on the application's own port goes by the checks, and so does `/health`.
//!
//! # Work for processors
//!
//! What keeps a processor busy for long (parsing, compressing, hashing) holds up every request on
//! the thread that it runs on. With the feature `worker-pool` it goes to threads of its own, behind
//! a queue with a bound, with a deadline and a panic of its own:
//!
//! ```
//! # #[cfg(feature = "worker-pool")] {
//! use framework::prelude::*;
//! use std::sync::Arc;
//!
//! async fn parse(Dep(pool): Dep<WorkerPool>, text: String) -> Result<String, Problem> {
//!     let words = pool.job("parse").run(move |_job| text.split_whitespace().count()).await;
//!     words.map(|words| words.to_string()).map_err(Problem::internal)
//! }
//!
//! let parsing = module_fn("parsing", |reg| {
//!     reg.routes::<Arc<WorkerPool>>(Router::new().route("/words", post(parse)));
//! });
//! let app = App::builder("shop").modules((WorkerPoolModule::new(), parsing));
//! assert!(app.plan().is_ok());
//! # }
//! ```
//!
//! # Tests
//!
//! Everything that can be wrong with the parts is found by planning, in milliseconds and without
//! touching anything. With the feature `testing`, an application is called without a socket, in
//! time that does not pass, and every piece of its code is made to fail once:
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use framework::{prelude::*, testing::{TestApp, assert_lifecycle_safe, paused}};
//!
//! fn app() -> AppBuilder {
//!     App::builder("hello").modules(module_fn("greeting", |reg| {
//!         reg.routes(Router::<()>::new().route("/", get(async || "hello")));
//!     }))
//! }
//!
//! paused(async {
//!     let app = TestApp::start(app()).await;
//!     assert_eq!(app.get("/").await.text(), "hello");
//!     app.stop().await.unwrap();
//! });
//! assert_lifecycle_safe(app);
//! # }
//! ```
//!
//! # What is there by default
//!
//! [`App::builder`] adds the module of each enabled layer. A module of the same type takes the
//! place of a default: `App::builder("shop").modules(HttpModule::on(listener))` has one HTTP
//! server.
//!
//! # Features
//!
//! | feature | default | what it adds | modules by default |
//! |---|---|---|---|
//! | `di` | yes | [`di`]: constructors whose arguments are their needs | |
//! | `config` | yes | [`config`]: typed sections, each value with its origin | `ConfigModule` |
//! | `observability` | yes | [`observability`]: logs, metrics, health checks; brings `config` | `ObservabilityModule` |
//! | `http-full`, `tls`, `ws` | no | what the server can do besides: TLS, web sockets, middleware | none by itself |
//! | `openapi` | no | [`http::openapi`]: one document of all routes, and a page that shows it | none by itself |
//! | `validation` | no | [`http::Valid`]: requests are checked against the schema of their type | |
//! | `http` | yes | [`http`]: the server, and [`axum`]; brings `config` and `di` | `HttpModule`, and one that connects it with `observability` |
//! | `admin` | yes | [`admin`]: the operator's listener; brings `http` and `observability` | `AdminModule` |
//! | `cli` | yes | [`cli`]: the verbs; brings `config` and `observability` | `AppModule` |
//! | `ipc` | no | [`process::ipc`]: messages between the workers of a cluster | none by itself |
//! | `process-pool` | no | [`process::tasks`]: processes for jobs that may crash | none by itself |
//! | `resources` | no | [`process`]: a watch on memory and processor time, and what to do without when there is little | none by itself |
//! | `worker-pool` | no | [`process`]: threads for work that keeps a processor busy | none by itself |
//! | `client`, `client-tls` | no | [`client`]: HTTP clients with deadlines, retries within a budget and traces; brings `observability` | none |
//! | `testing` | no | [`testing`]: applications under test; for dev-dependencies; brings `http` | |
//! | `full` | no | all of these | |
//!
//! Without any of them there are modules, plans and the runner, on fewer than forty crates.

#![deny(missing_docs)]

mod app;
#[cfg(feature = "di")]
pub mod di;
#[cfg(all(
    doctest,
    feature = "cli",
    feature = "http",
    feature = "resources",
    feature = "worker-pool"
))]
mod guide;
mod layers;
pub mod prelude;

#[cfg(feature = "http")]
pub use axum;
#[cfg(feature = "admin")]
pub use framework_admin as admin;
#[cfg(feature = "cli")]
pub use framework_cli as cli;
#[cfg(feature = "client")]
pub use framework_client as client;
#[cfg(feature = "config")]
pub use framework_config as config;
pub use framework_core as core;
#[cfg(feature = "http")]
pub use framework_http as http;
#[cfg(feature = "observability")]
pub use framework_observability as observability;
#[cfg(any(
    feature = "ipc",
    feature = "process-pool",
    feature = "resources",
    feature = "worker-pool"
))]
pub use framework_process as process;
pub use framework_registry as registry;
#[cfg(feature = "testing")]
pub use framework_testing as testing;

pub use framework_app::{
    AppBuilder, AppError, Budgets, Failure, Graph, PlanError, ReadyApp, RunError, RunningApp,
    StartReport,
};

pub use self::app::App;
