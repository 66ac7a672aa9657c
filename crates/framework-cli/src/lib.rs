//! `main` in one call: the verbs, the signals and the exit codes of every application.
//!
//! * [`main`] gives a binary its verbs: `serve`, which runs the application and is what happens
//!   without a verb, `check`, `graph`, `config`, `explain` and `completions`.
//! * [`run`] is the same for arguments and a [`Console`] of the caller's choice.
//! * [`Exit`] says how the process ends.
//! * [`AppModule`] claims the sections `app` and `shutdown` of the configuration.
//!
//! The command line loads the configuration, once, and hands it to the application's
//! [`ConfigModule`](framework_config::ConfigModule); it sets up the log before anything is run.
//!
//! # Examples
//!
//! ```
//! use framework_app::App;
//! use framework_cli::{Console, Exit};
//! use framework_core::module_fn;
//!
//! let app = App::builder("doc").module(module_fn("greeting", |reg| {
//!     reg.need::<u16>();
//! }));
//! let (mut out, mut err) = (Vec::new(), Vec::new());
//! let exit = framework_cli::run(app, ["doc", "check"], &mut Console::to(&mut out, &mut err));
//! assert_eq!(exit, Exit::Invalid);
//! assert!(String::from_utf8(out).unwrap().starts_with("error[E0301]: nothing provides `u16`"));
//! ```

#![deny(missing_docs)]

mod args;
mod cluster;
pub mod codes;
mod console;
mod errand;
mod excerpt;
mod exit;
mod manager;
mod module;
mod operator;
mod prepare;
mod run;
mod running;
mod settings;
mod signals;
mod succession;
mod verbs;

pub use self::{
    console::Console,
    exit::Exit,
    module::AppModule,
    run::{main, run},
    settings::{AppSettings, ShutdownSettings},
};
