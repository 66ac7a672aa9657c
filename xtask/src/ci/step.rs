//! The steps of CI: each with its command, its tool, and what to do when it fails.

use clap::ValueEnum;

use super::{counts, counts::Counts, examples, scaffold};
use crate::{
    Outcome,
    command::{Invocation, Stream},
    layers, print, schemathesis, tidy, torture,
    workspace::Workspace,
};

/// One step of CI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    Fmt,
    Clippy,
    Layers,
    Tidy,
    Tests,
    DocTests,
    Docs,
    Deny,
    Features,
    Scaffold,
    Examples,
    Schemathesis,
    Torture,
}

/// A cargo subcommand that does not come with Rust.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tool {
    pub(super) package: &'static str,
    verb: &'static str,
}

const NEXTEST: Tool = Tool { package: "cargo-nextest", verb: "nextest" };
const DENY: Tool = Tool { package: "cargo-deny", verb: "deny" };
const HACK: Tool = Tool { package: "cargo-hack", verb: "hack" };

impl Tool {
    pub(super) fn is_installed(self, workspace: &Workspace) -> bool {
        Invocation::cargo(workspace.root(), self.verb).arg("--version").succeeds_silently()
    }
}

impl Step {
    /// In the order in which they run.
    pub(super) const ALL: &[Self] = &[
        Self::Fmt,
        Self::Clippy,
        Self::Layers,
        Self::Tidy,
        Self::Tests,
        Self::DocTests,
        Self::Docs,
        Self::Deny,
        Self::Features,
        Self::Scaffold,
        Self::Examples,
        Self::Schemathesis,
        Self::Torture,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Layers => "layers",
            Self::Tidy => "tidy",
            Self::Tests => "tests",
            Self::DocTests => "doc-tests",
            Self::Docs => "docs",
            Self::Deny => "deny",
            Self::Features => "features",
            Self::Scaffold => "scaffold",
            Self::Examples => "examples",
            Self::Schemathesis => "schemathesis",
            Self::Torture => "torture",
        }
    }

    pub(super) fn tool(self) -> Option<Tool> {
        match self {
            Self::Tests => Some(NEXTEST),
            Self::Deny => Some(DENY),
            Self::Features => Some(HACK),
            _ => None,
        }
    }

    /// Whether the step needs what is no part of Rust's own world, and `--embedded` leaves out.
    pub(super) fn is_foreign(self) -> bool {
        self == Self::Schemathesis
    }

    /// What to do when the step fails.
    pub(super) fn cure(self) -> &'static str {
        match self {
            Self::Fmt => "run `cargo fmt --all`",
            Self::Clippy => "mend what clippy names; an exception is `#[expect(…, reason = …)]`",
            Self::Layers => "take the arrow away, or argue for it in ARCHITECTURE.md",
            Self::Tidy => "split the file, rename it, or finish the code",
            Self::Tests => "run one alone with `cargo xtask test NAME`",
            Self::DocTests => "run them with `cargo test --doc --package CRATE --all-features`",
            Self::Docs => "mend the link or the example that rustdoc names",
            Self::Deny => "read the reason beside the rule in deny.toml",
            Self::Features => "build the crate with the one feature that cargo hack names",
            Self::Scaffold => "mend xtask/templates; `cargo xtask new app` writes the same files",
            Self::Examples => "start the example by hand with `cargo run -p NAME`",
            Self::Schemathesis => {
                "send the request that it prints; the document or the code is wrong"
            }
            Self::Torture => "run the one that failed alone: `cargo xtask torture ID --seed SEED`",
        }
    }

    /// Runs the step; what tests it runs are added to `counts`, also when it fails.
    pub(super) fn run(self, workspace: &Workspace, counts: &mut Counts) -> Outcome {
        let cargo = |line| Invocation::cargo(workspace.root(), line);
        match self {
            Self::Fmt => cargo("fmt --all --check").run()?,
            Self::Clippy => {
                cargo("clippy --workspace --all-targets --all-features -- -D warnings").run()?;
            }
            Self::Layers => layers::run(workspace)?,
            Self::Tidy => tidy::run(workspace)?,
            Self::Tests => tests(workspace, counts)?,
            Self::DocTests => doc_tests(workspace, counts)?,
            Self::Docs => cargo("doc --workspace --no-deps --all-features")
                .env("RUSTDOCFLAGS", "-D warnings")
                .run()?,
            // Advisories need a database from the network: they are a job of their own.
            Self::Deny => cargo("deny --offline check licenses bans sources").run()?,
            Self::Features => features(workspace)?,
            Self::Scaffold => scaffold::run(workspace, counts)?,
            Self::Examples => examples::run(workspace)?,
            Self::Schemathesis => schemathesis::run(workspace)?,
            Self::Torture => torture::ci(workspace)?,
        }
        Ok(())
    }
}

fn tests(workspace: &Workspace, counts: &mut Counts) -> Outcome {
    let command = Invocation::cargo(workspace.root(), "nextest run --workspace --all-features")
        // A snapshot that differs fails here, and is never written.
        .env("INSTA_UPDATE", "no");
    command.run_reading(Stream::Stderr, |line| {
        counts.tests += counts::of_nextest(line).unwrap_or_default();
    })?;
    Ok(())
}

fn doc_tests(workspace: &Workspace, counts: &mut Counts) -> Outcome {
    let command =
        Invocation::cargo(workspace.root(), "test --workspace --all-features --doc --no-fail-fast");
    command.run_reading(Stream::Stdout, |line| {
        counts.doc_tests += counts::of_libtest(line).unwrap_or_default();
    })?;
    Ok(())
}

/// Each feature alone, of every layer and of the facade.
///
/// Clippy and not check: code that only one feature uses is dead without it, and says so. Without
/// `--no-dev-deps`, which rewrites manifests: the resolver keeps the features of dev-dependencies
/// apart as long as no test is built.
fn features(workspace: &Workspace) -> Outcome {
    let crates = layers::framework_crates(&workspace.metadata()?);
    print::note(&format!("{} crates", crates.len()));
    let packages = crates.iter().flat_map(|name| ["--package", name]);
    Invocation::cargo(workspace.root(), "hack clippy --quiet --keep-going --each-feature")
        .args(packages)
        .args(["--", "-D", "warnings"])
        .run()?;
    Ok(())
}
