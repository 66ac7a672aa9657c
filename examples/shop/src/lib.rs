//! A shop that takes orders over HTTP, in three modules on one `SQLite` file.
//!
//! * [`infra`] opens the database and brings its tables up to date.
//! * [`catalog`] keeps categories and products, and how many of each there are.
//! * [`ordering`] takes orders, each once, and never for more than there is.
//!
//! # Examples
//!
//! The whole wiring can be checked without a database or a port:
//!
//! ```
//! let plan = shop::app().plan().expect("every need is met");
//! assert!(plan.to_string().contains("ordering"));
//! ```

#![deny(missing_docs)]

mod invalid;

pub mod catalog;
pub mod infra;
pub mod ordering;
// new: mod

use framework::prelude::*;

/// The application. The order of its modules does not matter: each says what it needs.
pub fn app() -> AppBuilder {
    App::builder("shop").modules((
        infra::Infra,
        catalog::Catalog,
        ordering::Ordering,
        OpenApiModule::new("shop", env!("CARGO_PKG_VERSION"))
            .description("Takes orders for what is in its catalogue, each once."),
        // new: module
    ))
}
