//! Fetches RSS, Atom and JSON Feeds, and publishes each as one clean JSON Feed.
//!
//! * [`infra`] opens the database that several processes may share.
//! * [`fetching`] gets documents from the Internet, and from nowhere else.
//! * [`parsing`] understands them, on the worker pool.
//! * [`publishing`] writes what came of them into a folder or a bucket.
//! * [`feeds`] keeps the list of feeds, refreshes what is no longer fresh, and answers requests.
//!
//! # Examples
//!
//! The whole wiring can be checked without a database or a port:
//!
//! ```
//! let plan = feeds::app().plan().expect("every need is met");
//! assert!(plan.to_string().contains("publishing"));
//! ```

#![deny(missing_docs)]

mod settings;

pub mod feeds;
pub mod fetching;
pub mod infra;
pub mod parsing;
pub mod publishing;

use framework::prelude::*;

pub use self::settings::{FeedsSettings, PublishSettings, S3Settings};

/// The application. The order of its modules does not matter: each says what it needs.
pub fn app() -> AppBuilder {
    App::builder("feeds").modules((
        WorkerPoolModule::new(),
        ResourceModule::default(),
        IpcModule::new(),
        infra::Infra,
        fetching::Fetching,
        parsing::Parsing,
        publishing::Publishing,
        feeds::Feeds,
        OpenApiModule::new("feeds", env!("CARGO_PKG_VERSION"))
            .description("Fetches feeds in any format, and publishes each as a clean JSON Feed."),
    ))
}
