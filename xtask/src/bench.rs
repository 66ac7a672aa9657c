//! `cargo xtask bench`: the benchmarks, built as users build.

use clap::Args;

use crate::{Outcome, command::Invocation, workspace::Workspace};

/// What `cargo xtask bench` is told.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Runs one benchmark; all of them when left out.
    name: Option<String>,
}

/// More bytes than any benchmark frees.
const KEPT: &str = "1073741824";

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
    // The allocator keeps what it has been given. It would return what 10,000 modules have used and
    // keep what 1,000 have, and only the former would be measured with the kernel clearing pages.
    let bench = bench.env("MALLOC_TRIM_THRESHOLD_", KEPT).env("MALLOC_MMAP_THRESHOLD_", KEPT);
    bench.args(args.name.as_deref()).run()?;
    Ok(())
}
