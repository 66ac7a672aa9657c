//! Tests applications as their users see them, and fails every step of their lives in turn.
//!
//! * [`TestApp`] starts an application with a configuration of the test's own and without a fixed
//!   port, calls it without a socket, and insists that it is stopped.
//! * [`assert_lifecycle_safe`] breaks every piece of code that an application runs, one at a time
//!   and in each of the ways of [`FaultKind`], and checks that the rest is cleaned up: once, in
//!   order, in time, with the first cause on top. [`LifecycleSafety`] narrows it down.
//! * [`Fake`] stands in for another module, or for one value of it.
//! * [`Log`] and [`noisy`] show in which order things happen.
//! * [`plan_text`] and [`assert_plan!`] compare what an application consists of as text.
//! * [`paused`] runs a future in time that passes only while nobody works.
//!
//! # Examples
//!
//! ```
//! use framework_app::{App, AppBuilder};
//! use framework_core::module_fn;
//! use framework_testing::{TestApp, assert_lifecycle_safe, assert_plan, paused};
//!
//! fn app() -> AppBuilder {
//!     App::builder("greeter").module(module_fn("greeting", |reg| {
//!         reg.provide(|_cx| async { Ok(String::from("hello")) });
//!     }))
//! }
//!
//! assert_plan!(app(), @"
//!     greeting
//!         String
//! ");
//! paused(async {
//!     let app = TestApp::start(app()).await;
//!     assert_eq!(*app.get_value::<String>(), "hello");
//!     app.stop().await.unwrap();
//! });
//! assert_lifecycle_safe(app);
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `http` | yes | `TestApp::get` and its siblings, `TestResponse` |

#![deny(missing_docs)]

mod config;
mod fake;
mod lifecycle;
mod log;
mod paused;
mod plan;
mod test_app;

#[doc(hidden)]
pub use self::plan::check_plan;
#[cfg(feature = "http")]
pub use self::test_app::TestResponse;
pub use self::{
    fake::Fake,
    lifecycle::{
        FaultKind, Injection, LifecycleReport, LifecycleSafety, Rule, Violation,
        assert_lifecycle_safe,
    },
    log::{Log, noisy},
    paused::paused,
    plan::plan_text,
    test_app::{TestApp, TestAppBuilder},
};
