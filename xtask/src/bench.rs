//! `cargo xtask bench`: the benchmarks, built as users build.

use clap::Args;

use crate::{Outcome, command::Invocation, workspace::Workspace};

/// What `cargo xtask bench` is told.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Runs one benchmark; all of them when left out.
    name: Option<String>,
}

/// Builds in release what is measured, and runs the package `framework-bench`.
///
/// # Errors
///
/// Returns an error if it does not build or ends with a failure.
pub(crate) fn run(workspace: &Workspace, args: &BenchArgs) -> Outcome {
    // The servers whose memory is measured are processes of their own.
    let build = "build --release --package framework-bench --package hello --bins";
    Invocation::cargo(workspace.root(), build).run()?;
    let bench = Invocation::cargo(workspace.root(), "run --release --package framework-bench --");
    bench.args(args.name.as_deref()).run()?;
    Ok(())
}
