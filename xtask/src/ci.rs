//! `cargo xtask ci`: all of CI, in CI's order.

mod counts;
mod examples;
mod scaffold;
mod step;
mod summary;

use clap::Args;

use self::{
    counts::Counts,
    step::Step,
    summary::{Line, Summary, Verdict},
};
use crate::{Outcome, print, schemathesis, stopwatch::Stopwatch, workspace::Workspace};

/// What `cargo xtask ci` is told.
#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    /// Runs the later steps even after one has failed.
    #[arg(long)]
    keep_going: bool,
    /// Runs with nothing but Rust and its tools; names what that leaves out.
    #[arg(long)]
    embedded: bool,
    /// Runs these steps alone; the summary says what was left out.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEP")]
    only: Vec<Step>,
}

/// CI did not pass.
#[derive(Debug, thiserror::Error)]
enum CiError {
    #[error("missing tools: run `{cure}`")]
    MissingTools { cure: String },
    #[error("cannot tell where tools are looked for")]
    Target(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("failed: {steps}")]
    Failed { steps: String },
}

/// Runs the steps one after the other, and sums them up.
///
/// # Errors
///
/// Returns an error if a tool is missing, which is found before the first step, or a step fails.
pub(crate) fn run(workspace: &Workspace, args: &CiArgs) -> Outcome {
    let steps: Vec<Step> = Step::ALL
        .iter()
        .copied()
        .filter(|s| args.only.is_empty() || args.only.contains(s))
        .filter(|s| !(args.embedded && s.is_foreign()))
        .collect();
    demand_tools(workspace, &steps)?;
    if args.embedded {
        let left_out = Step::ALL.iter().filter(|step| step.is_foreign());
        let left_out: Vec<_> = left_out.map(|step| step.name()).collect();
        print::note(&format!("--embedded leaves out: {}", left_out.join(", ")));
    }

    let summary = run_all(&steps, args.keep_going, |step, counts| run_one(workspace, step, counts));
    anstream::print!("{summary}");

    let failed = summary.failed();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(CiError::Failed { steps: failed.join(", ") }.into())
    }
}

fn run_all(
    steps: &[Step],
    keep_going: bool,
    mut run_one: impl FnMut(Step, &mut Counts) -> Verdict,
) -> Summary {
    let mut summary = Summary::default();
    for step in Step::ALL {
        let verdict = if !steps.contains(step) {
            Verdict::LeftOut
        } else if summary.has_failed() && !keep_going {
            Verdict::NotReached
        } else {
            run_one(*step, &mut summary.counts)
        };
        summary.lines.push(Line { name: step.name(), verdict });
    }
    summary
}

fn run_one(workspace: &Workspace, step: Step, counts: &mut Counts) -> Verdict {
    print::step(step.name());
    let stopwatch = Stopwatch::start();
    let outcome = step.run(workspace, counts);
    let elapsed = stopwatch.elapsed();
    match outcome {
        Ok(()) => {
            print::good(&format!("ok in {elapsed}"));
            Verdict::Ok(elapsed)
        }
        Err(error) => {
            print::bad(&format!("failed after {elapsed}"));
            print::error(&*error);
            print::note(&format!("cure: {}", step.cure()));
            Verdict::Failed(elapsed)
        }
    }
}

/// A missing tool is told before the first step, not after the ten minutes before its own.
fn demand_tools(workspace: &Workspace, steps: &[Step]) -> Result<(), CiError> {
    let missing: Vec<_> = steps
        .iter()
        .filter_map(|step| step.tool())
        .filter(|tool| !tool.is_installed(workspace))
        .map(|tool| tool.package)
        .collect();
    let mut cures = Vec::new();
    if !missing.is_empty() {
        cures.push(format!("cargo install --locked {}", missing.join(" ")));
    }
    if steps.contains(&Step::Schemathesis) {
        let target = workspace.target().map_err(|error| CiError::Target(error.into()))?;
        if schemathesis::find(&target).is_none() {
            cures.push(schemathesis::install_command(&target));
        }
    }
    if cures.is_empty() {
        return Ok(());
    }
    Err(CiError::MissingTools { cure: cures.join(" && ") })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stopwatch::Elapsed;

    /// Runs every step, of which clippy fails, and returns those that were run.
    fn ran(steps: &[Step], keep_going: bool) -> (Vec<Step>, Summary) {
        let mut ran = Vec::new();
        let summary = run_all(steps, keep_going, |step, _| {
            ran.push(step);
            let elapsed = Elapsed(Duration::ZERO);
            if step == Step::Clippy { Verdict::Failed(elapsed) } else { Verdict::Ok(elapsed) }
        });
        (ran, summary)
    }

    #[test]
    fn the_first_step_that_fails_is_the_last_that_runs_and_the_others_are_still_listed() {
        let (ran, summary) = ran(Step::ALL, false);
        assert_eq!(ran.last(), Some(&Step::Clippy));
        assert_eq!(summary.failed(), ["clippy"]);
        assert_eq!(summary.lines.len(), Step::ALL.len());
    }

    #[test]
    fn keep_going_runs_all_of_them_and_still_fails() {
        let (ran, summary) = ran(Step::ALL, true);
        assert_eq!(ran, Step::ALL);
        assert_eq!(summary.failed(), ["clippy"]);
    }

    #[test]
    fn only_the_steps_that_were_named_run() {
        let (ran, summary) = ran(&[Step::Tidy, Step::Fmt], false);
        assert_eq!(ran, [Step::Fmt, Step::Tidy], "in the order of CI");
        assert!(!summary.has_failed());
    }

    #[test]
    fn every_step_is_in_the_order_exactly_once() {
        let mut names: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), <Step as clap::ValueEnum>::value_variants().len());
        assert_eq!(names.len(), Step::ALL.len());
    }
}
