//! `cargo xtask test`: the tests and the doc tests.

use clap::Args;

use crate::{Outcome, command::Invocation, print, workspace::Workspace};

/// What `cargo xtask test` is told.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Runs only the tests whose name contains this.
    filter: Option<String>,
}

/// Runs the tests with nextest, then the doc tests, which nextest does not know.
///
/// # Errors
///
/// Returns an error if a test fails. A filter that fits no test is not one: it may fit doc tests only.
pub(crate) fn run(workspace: &Workspace, args: &TestArgs) -> Outcome {
    let root = workspace.root();
    print::step("tests");
    let tests = Invocation::cargo(root, "nextest run --workspace --all-features --no-tests=pass");
    tests.args(args.filter.as_deref()).run()?;

    print::step("doc tests");
    let doc_tests = Invocation::cargo(root, "test --workspace --all-features --doc --no-fail-fast");
    let filter = args.filter.iter().flat_map(|filter| ["--", filter]);
    doc_tests.args(filter).run()?;
    Ok(())
}
