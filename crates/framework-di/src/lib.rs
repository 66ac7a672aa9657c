//! Constructor injection: what a function takes is what a module needs.
//!
//! * [`InjectExt`] adds words to [`Registrar`](framework_core::Registrar) that take a constructor:
//!   any function whose arguments are [`Inject`]. Constructors know nothing of this crate, so a
//!   test calls them with what it likes.
//! * [`Scope`] holds the values of one request, message or job.
//! * [`Lazy`], [`All`], [`Named`], [`Scoped`] and [`ScopeFactory`] are arguments that are not simply
//!   the one value of a type; `#[derive(Inject)]` makes an argument of a struct.
//! * [`Interface`] and `#[interface]` let a value be taken as a trait that it implements.
//!
//! There is no container beside the core's: a constructor's arguments are declared as needs, and
//! its value as provided. So the plan knows them, and checks them before anything starts; and the
//! running application holds plain `Arc`s, with nothing left to look up.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use framework_core::{BoxModule, module_fn};
//! use framework_di::{InjectExt, interface};
//! use framework_registry::Plan;
//!
//! #[interface]
//! trait Products: Send + Sync {
//!     fn count(&self) -> usize;
//! }
//!
//! struct Pool;
//!
//! struct ProductRepository {
//!     pool: Arc<Pool>,
//! }
//!
//! impl ProductRepository {
//!     fn new(pool: Arc<Pool>) -> Self {
//!         Self { pool }
//!     }
//! }
//!
//! impl Products for ProductRepository {
//!     fn count(&self) -> usize {
//!         0
//!     }
//! }
//!
//! struct Cart {
//!     products: Arc<dyn Products>,
//! }
//!
//! let data = module_fn("data", |reg| {
//!     reg.inject_async(async || -> std::io::Result<_> { Ok(Pool) });
//! });
//! let catalog = module_fn("catalog", |reg| {
//!     reg.inject(ProductRepository::new);
//!     reg.bind::<dyn Products, ProductRepository>();
//! });
//! let ordering = module_fn("ordering", |reg| {
//!     reg.scoped(|products| Cart { products });
//!     reg.inject(|_: Arc<Cart>| "would keep the cart of one request for ever");
//! });
//!
//! let modules = [BoxModule::new(data), BoxModule::new(catalog), BoxModule::new(ordering)];
//! let error = Plan::new(modules).unwrap_err().to_string();
//! assert!(error.contains("singleton `&str` would keep a scoped `Cart` alive"));
//! ```
//!
//! # What it costs
//!
//! Singletons are resolved once, at start. Reading one in a scope is a pointer copy without a lock.
//! Opening a [`Scope`] copies one pointer; its first scoped value allocates the table for all.

#![deny(missing_docs)]

mod all;
mod arity;
mod constructor;
mod error;
mod inject;
mod injector;
mod interface;
mod lazy;
mod module;
mod named;
mod on_demand;
mod provide;
mod resolver;
mod scope;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use framework_macros::{Inject, interface};

pub use self::{
    all::All,
    constructor::{Constructor, Decorator, Fallible},
    error::InjectError,
    inject::{Inject, InjectNamed},
    injector::Injector,
    interface::Interface,
    lazy::Lazy,
    module::InjectExt,
    named::{Name, Named},
    provide::Provide,
    resolver::Resolver,
    scope::{Scope, ScopeFactory, Scoped, Seed},
};
