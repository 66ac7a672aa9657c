//! `cargo xtask torture`: real processes under fire, and whether the fire finds known mistakes.

use clap::Args;

use crate::{Outcome, command::Invocation, workspace::Workspace};

/// What is tortured, and who tortures.
const PACKAGES: &str = "--package framework-torture --package framework-torture-target \
                        --package hello --package shop";

/// What `cargo xtask torture` is told.
#[derive(Debug, Default, Args)]
pub(crate) struct TortureArgs {
    /// Which ones, as `R9` or `C2`; all of them when left out.
    ids: Vec<String>,
    /// As often as it takes to find what is rare: hours.
    #[arg(long)]
    soak: bool,
    /// What all random choices come from.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Tortures builds with known mistakes instead, and fails if one is not found.
    #[arg(long)]
    planted: bool,
    /// Says what there is, and tortures nobody.
    #[arg(long)]
    list: bool,
}

/// Builds the examples and the target, and tortures them.
///
/// # Errors
///
/// Returns an error if something does not build, or does not stand it.
pub(crate) fn run(workspace: &Workspace, args: &TortureArgs) -> Outcome {
    if args.list {
        return torture(workspace, args);
    }
    build(workspace)?;
    if args.planted {
        build_planted(workspace)?;
    }
    torture(workspace, args)
}

/// What CI runs: every torture, and then those that have to find a mistake.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn ci(workspace: &Workspace) -> Outcome {
    run(workspace, &TortureArgs::default())?;
    build_planted(workspace)?;
    torture(workspace, &TortureArgs { planted: true, ..TortureArgs::default() })
}

fn build(workspace: &Workspace) -> Outcome {
    Invocation::cargo(workspace.root(), &format!("build {PACKAGES} --bins")).run()?;
    Ok(())
}

/// A build of its own, under another name: the sound one has no mistakes compiled in.
fn build_planted(workspace: &Workspace) -> Outcome {
    let build = "build --package framework-torture-target --features planted-bugs \
                 --bin target-planted";
    Invocation::cargo(workspace.root(), build).run()?;
    Ok(())
}

fn torture(workspace: &Workspace, args: &TortureArgs) -> Outcome {
    Invocation::cargo(workspace.root(), "run --quiet --package framework-torture --")
        .args(arguments(args))
        .run()?;
    Ok(())
}

fn arguments(args: &TortureArgs) -> Vec<String> {
    let mut arguments = args.ids.clone();
    let flags = [("--soak", args.soak), ("--planted", args.planted), ("--list", args.list)];
    for (flag, given) in flags {
        if given {
            arguments.push(flag.to_owned());
        }
    }
    if let Some(seed) = args.seed {
        arguments.extend(["--seed".to_owned(), seed.to_string()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_asked_for_is_passed_on() {
        let args = TortureArgs {
            ids: vec!["R9".to_owned(), "C2".to_owned()],
            soak: true,
            seed: Some(7),
            planted: true,
            list: true,
        };
        assert_eq!(arguments(&args), ["R9", "C2", "--soak", "--planted", "--list", "--seed", "7"]);
        assert!(arguments(&TortureArgs::default()).is_empty());
    }
}
