//! The workspace's own tool: `cargo xtask ci` is all of CI, and the other verbs are what one types
//! on the way there.
//!
//! Each verb is a file. None of them depends on the crates of the framework, so the tool still
//! builds while they do not.

#![deny(missing_docs)]

mod bench;
mod ci;
mod command;
mod dev;
mod layers;
mod new;
mod print;
mod running;
mod schemathesis;
mod stopwatch;
mod test;
mod tidy;
mod torture;
mod visit;
mod workspace;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// What a verb answers: nothing, or why it failed.
type Outcome = Result<(), Box<dyn Error>>;

/// Everything the workspace needs to be built, checked and extended.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs all of CI, in CI's order.
    Ci(ci::CiArgs),
    /// Runs the tests and the doc tests of the workspace.
    Test(test::TestArgs),
    /// Runs the benchmarks, built for release.
    Bench(bench::BenchArgs),
    /// Fires at real processes, and judges what they did with every request.
    Torture(torture::TortureArgs),
    /// Runs an example, and starts it again whenever a source file changes.
    Dev(dev::DevArgs),
    /// Compares who names whom with the table in ARCHITECTURE.md.
    Layers,
    /// Checks what neither rustfmt nor clippy checks: file names, file sizes, unfinished code.
    Tidy,
    /// Writes the first files of an application or of a module.
    New(new::NewArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let workspace = Workspace::here();
    let outcome = match cli.verb {
        Verb::Ci(args) => ci::run(&workspace, &args),
        Verb::Test(args) => test::run(&workspace, &args),
        Verb::Bench(args) => bench::run(&workspace, &args),
        Verb::Torture(args) => torture::run(&workspace, &args),
        Verb::Dev(args) => dev::run(&workspace, &args),
        Verb::Layers => layers::run(&workspace).map_err(Into::into),
        Verb::Tidy => tidy::run(&workspace).map_err(Into::into),
        Verb::New(args) => new::run(&workspace, &args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::error(&*error);
            ExitCode::FAILURE
        }
    }
}
