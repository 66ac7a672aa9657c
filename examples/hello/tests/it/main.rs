//! The application from outside: its real process, sockets, signals and exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod app;
mod client;
mod cluster;
mod daemon;
mod instance;
mod life;
mod process;
mod serve;
mod verbs;
