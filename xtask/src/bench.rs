//! `cargo xtask bench`: the benchmarks, built as users build.

use clap::Args;

use crate::{Outcome, command::Invocation, workspace::Workspace};

/// What `cargo xtask bench` is told.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Runs one benchmark; all of them when left out.
    name: Option<String>,
}

/// Runs the package `framework-bench` in release.
///
/// # Errors
///
/// Returns an error if it does not build or ends with a failure.
pub(crate) fn run(workspace: &Workspace, args: &BenchArgs) -> Outcome {
    let bench = Invocation::cargo(workspace.root(), "run --release --package framework-bench --");
    bench.args(args.name.as_deref()).run()?;
    Ok(())
}
