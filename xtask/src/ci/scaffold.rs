//! What `cargo xtask new` writes: it builds, its tests pass, it starts and it answers.

use std::fs;

use super::{
    counts::{self, Counts},
    examples,
};
use crate::{
    Outcome,
    command::{Invocation, Stream},
    new, print,
    workspace::Workspace,
};

const APP: &str = "scaffold-probe";
const MODULE: &str = "billing";

/// Writes an application with a second module into a temporary directory, and tries it.
///
/// # Errors
///
/// Returns an error if anything that was written does not work.
pub(super) fn run(workspace: &Workspace, counts: &mut Counts) -> Outcome {
    let dir = tempfile::tempdir()?;
    let app = dir.path().join(APP);
    print::command(&format!("cargo xtask new app {APP} --path {}", app.display()));
    new::app(workspace, APP, Some(&app), None)?;
    print::command(&format!("cargo xtask new module {MODULE} --needs greeting --app …"));
    new::module(MODULE, &["greeting".to_owned()], &app)?;
    // The versions that everything else was tested with, and nothing to ask a registry for.
    fs::copy(workspace.root().join("Cargo.lock"), app.join("Cargo.lock"))?;

    // What the workspace has built serves again; only the framework and the application are new.
    let target = workspace.target()?;
    let cargo =
        |line| Invocation::cargo(&app, line).env("CARGO_TARGET_DIR", target.to_string_lossy());
    cargo("fmt --check").run()?;
    cargo("clippy --all-targets -- -D warnings").run()?;
    cargo("test").run_reading(Stream::Stdout, |line| {
        counts.scaffold += counts::of_libtest(line).unwrap_or_default();
    })?;
    cargo("build").run()?;

    let dir = tempfile::tempdir()?;
    let binary = target.join("debug").join(APP);
    examples::smoke(&binary, dir.path(), "/", "hello from scaffold-probe")
}
