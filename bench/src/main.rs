//! Measures the framework beside its peers: ratios within one run, medians of interleaved rounds.
//!
//! `cargo xtask bench` runs all of it, `cargo xtask bench start` one part.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod cluster;
mod config;
mod connections;
mod di;
mod http;
mod ipc;
mod measure;
mod memory;
mod pool;
mod server;
mod size;
mod start;

use std::process::ExitCode;

use clap::Parser;

use crate::measure::Row;

/// Measures the framework beside its peers.
#[derive(Parser)]
struct Args {
    /// What to measure: `start`, `di`, `config`, `http`, `memory`, `connections`, `pool`, `ipc`,
    /// `cluster`, `size`; everything without it.
    name: Option<String>,
}

type Part = (&'static str, fn() -> Vec<Row>);

const PARTS: [Part; 10] = [
    ("start", start::run),
    ("di", di::run),
    ("config", config::run),
    ("http", http::run),
    ("memory", memory::run),
    ("connections", connections::run),
    ("pool", pool::run),
    ("ipc", ipc::run),
    ("cluster", cluster::run),
    ("size", size::run),
];

fn main() -> ExitCode {
    let Args { name } = Args::parse();
    let chosen: Vec<_> =
        PARTS.iter().filter(|(part, _)| name.as_deref().is_none_or(|name| name == *part)).collect();
    if chosen.is_empty() {
        let known: Vec<_> = PARTS.iter().map(|(part, _)| *part).collect();
        println!("there is no such part: use one of {}", known.join(", "));
        return ExitCode::from(64);
    }
    let rows: Vec<Row> = chosen.into_iter().flat_map(|(_, run)| run()).collect();
    measure::print(&rows);
    if rows.iter().all(Row::reached) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
