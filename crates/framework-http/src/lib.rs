//! An HTTP server that modules give routes to, and that drains without losing a request.
//!
//! * [`Server`] accepts connections on TCP and Unix sockets with a limit on every wait, and comes to
//!   its end in the steps of [`DrainStage`]. It serves any tower service.
//! * [`ShutdownSignal`] tells handlers of streams when to end, and [`Deadline`] how long anybody
//!   waits for their answer.
//! * [`Stack`] goes around a router once: request ids, spans, metrics through a
//!   [`RequestObserver`], time and size limits, and [`Problem`] documents for whatever goes wrong.
//! * [`Json`], [`Query`], [`Path`] and [`Dep`] are extractors whose refusals are such documents.
//! * [`Created`], [`Accepted`] and [`NoContent`] are answers with a status of their own.
//! * [`Probes`] answer `/livez`, `/readyz`, `/startupz` and `/health`.
//! * [`HttpModule`] brings all of this to an application; [`HttpExt`] lets each module contribute
//!   routes and middleware. Routes that collide are found before anything starts.
//!
//! Handlers are plain axum handlers.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls` | TLS with certificates that are read again when they change: `http.tls` |
//! | `ws` | `WebSocketUpgrade`: sockets that close with 1012 when the server stops |
//! | `compression` | compressed responses: section `compression` |
//! | `decompression` | compressed requests, up to a size: section `decompression` |
//! | `cors` | pages of other origins: section `cors` |
//! | `security-headers` | what browsers are told to refrain from: section `security_headers` |
//! | `rate-limit` | a limit for each client: section `rate_limit` |
//! | `idempotency` | requests with an `idempotency-key` are done once |
//! | `validation` | `Valid`: bodies, queries and paths are checked against the schema of their type |
//! | `openapi` | `openapi`: one `OpenAPI` 3.1 document of all modules' routes, and a page: section `openapi` |
//! | `full` | all of these |
//!
//! # Examples
//!
//! ```
//! use axum::{Router, routing::get};
//! use framework_core::module_fn;
//! use framework_http::{HttpExt, Path, Problem};
//!
//! async fn show(Path(id): Path<u64>) -> Result<String, Problem> {
//!     if id == 7 { Ok("seven".to_owned()) } else { Err(Problem::not_found()) }
//! }
//!
//! let numbers = module_fn("numbers", |reg| {
//!     reg.routes_with(Router::new().route("/numbers/{id}", get(show)), |_cx| Ok(()));
//! });
//! # let _ = numbers;
//! ```

#![deny(missing_docs)]

mod drain;
mod finish;
mod link;
mod server;
mod shutdown;

mod problem;

mod extract;
mod probes;
mod stack;

pub mod codes;
mod handle;
#[cfg(feature = "idempotency")]
mod idempotency;
#[cfg(any(
    feature = "compression",
    feature = "cors",
    feature = "decompression",
    feature = "rate-limit",
    feature = "security-headers"
))]
mod layers;
mod middleware;
mod module;
#[cfg(any(feature = "openapi", feature = "validation"))]
mod number_format;
#[cfg(feature = "openapi")]
pub mod openapi;
mod request_scope;
mod respond;
mod routes;
mod settings;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "ws")]
mod websocket;

#[cfg(feature = "validation")]
pub use self::extract::Valid;
#[cfg(feature = "idempotency")]
pub use self::idempotency::{
    Claim, ClaimId, Fingerprint, Idempotency, IdempotencyFuture, IdempotencyLayer,
    IdempotencyStore, MemoryIdempotencyStore, StoredResponse,
};
#[cfg(feature = "compression")]
pub use self::layers::compression::{CompressionModule, CompressionSettings, LargeEnough};
#[cfg(feature = "cors")]
pub use self::layers::cors::{CorsError, CorsModule, CorsSettings};
#[cfg(feature = "decompression")]
pub use self::layers::decompression::{
    Decompression, DecompressionLayer, DecompressionModule, DecompressionSettings, LimitedBodies,
    LimitedFuture,
};
#[cfg(feature = "rate-limit")]
pub use self::layers::rate_limit::{
    RateLimit, RateLimitError, RateLimitLayer, RateLimitModule, RateLimitSettings,
};
#[cfg(feature = "security-headers")]
pub use self::layers::security_headers::{
    SecurityHeaders, SecurityHeadersError, SecurityHeadersFuture, SecurityHeadersLayer,
    SecurityHeadersModule, SecurityHeadersSettings,
};
#[cfg(feature = "tls")]
pub use self::tls::{CertificateError, Certificates, TlsSettings};
#[cfg(feature = "ws")]
pub use self::websocket::{WebSocket, WebSocketUpgrade};

pub use self::{
    drain::{DrainControl, DrainMachine, DrainOrder, DrainSignal, DrainStage, DrainTimes, drain},
    extract::{Deadline, DeadlineExceeded, Dep, Json, Path, Query},
    handle::HttpHandle,
    middleware::{Middleware, MiddlewareStage},
    module::{CutOff, HttpExt, HttpModule},
    probes::{Probes, Readiness},
    problem::{FieldError, Problem},
    request_scope::RequestScope,
    respond::{Accepted, Created, NoContent},
    routes::{AssembleError, RouteEntry, Routes},
    server::{
        AcceptBackoff, BindError, BodyTooSlow, CutRequest, ListenAddr, ServeReport, Server,
        ServerSettings, Traffic,
    },
    settings::HttpSettings,
    shutdown::{ShutdownSignal, UntilShutdown},
    stack::{
        BodyTooLarge, RequestId, RequestObserver, RequestRecord, RouteObserver, Stack, StackFuture,
        StackLayer, StackService,
    },
};
