//! The HTTP interface of an application as one `OpenAPI` 3.1 document.
//!
//! Handlers stay plain axum functions. [`ApiRouter`] is written like axum's router, and remembers
//! of each handler what its arguments ([`ApiInput`]) and its answer ([`ApiOutput`]) say of
//! themselves: `Path<T>`, `Query<T>` and `Json<T>` have the schema of `T`, [`Created`] has its
//! status, `Result<T, E>` has both, and `State` and `Dep` say nothing. Doc comments of the types
//! become descriptions. A path stands in one place, and so does a type.
//! [`OpenApiModule`] gathers what the modules contribute by [`OpenApiExt::api`], checks it before
//! anything starts, and serves the document and a page that shows it without asking anybody else.
//!
//! # Why this and no other crate
//!
//! utoipa has each path and each answer written again in an attribute, and each type derive a
//! second schema beside the one that configuration derives. aide lets types describe themselves,
//! which is the idea taken over here, but its stable release stands on schemars 0.9, a second copy
//! of what is in the tree as 1.x, and its 0.16 is an alpha. What is left to do on top of schemars
//! is small enough to be here.
//!
//! # Examples
//!
//! ```
//! use framework_core::module_fn;
//! use framework_http::{
//!     Created, Json, Path, Problem,
//!     openapi::{ApiRouter, OpenApiExt, OpenApiModule, get, post},
//! };
//! use http::StatusCode;
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// Something that is for sale.
//! #[derive(Clone, Serialize, Deserialize, JsonSchema)]
//! struct Product {
//!     /// What it is called.
//!     name: String,
//! }
//!
//! async fn show(Path(id): Path<u64>) -> Result<Json<Product>, Problem> {
//!     Err(Problem::not_found().detail(format!("there is no product {id}")))
//! }
//!
//! async fn add(Json(new): Json<Product>) -> Created<Product> {
//!     Created::new(new).at("/products/1")
//! }
//!
//! let catalog = module_fn("catalog", |reg| {
//!     reg.api::<()>(
//!         ApiRouter::new()
//!             .route("/products", post(add))
//!             .route("/products/{id}", get(show).problem(StatusCode::NOT_FOUND, "there is none")),
//!     );
//! });
//! let documentation = OpenApiModule::new("shop", "1.0.0");
//! # let _ = (catalog, documentation);
//! ```
//!
//! [`Created`]: crate::Created

mod common;
mod document;
mod handler;
mod ids;
mod input;
mod module;
mod operation;
mod output;
mod parameters;
mod problem;
mod router;
mod schemas;
mod security;
mod serve;
mod settings;

use self::module::Operations;
pub use self::{
    common::CommonProblem,
    document::ApiDocument,
    handler::ApiHandler,
    input::ApiInput,
    module::{OpenApiExt, OpenApiModule},
    operation::ApiOperation,
    output::ApiOutput,
    router::{ApiMethods, ApiRouter, delete, get, patch, post, put},
    security::SecurityScheme,
    settings::OpenApiSettings,
};
