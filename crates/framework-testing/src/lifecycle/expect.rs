//! What an application should say it ended with, after one fault.

use std::error::Error as _;

use framework_app::{Failure, Part, Point, RunError};

use super::{
    FaultKind, Injection, Rule,
    drive::Run,
    facts::Survival,
    injection::{INJECTED, is_start},
    recorder::{Broken, Seen},
};

/// What a run should end with.
enum Expected {
    Well,
    /// With the fault as the first cause.
    Fault,
    /// With one or the other.
    Either,
    /// With what came after the fault, which was survived.
    Following,
}

/// Compares the result of a run with the fault.
pub(super) fn check(run: &Run, injection: Option<&Injection>, broken: &mut Vec<Broken>) {
    let Some(result) = &run.result else {
        broken.push((Rule::InTime, format!("it had not ended after {:?}", run.ended_at)));
        return;
    };
    let Some(injection) = injection.filter(|_| run.injected_at.is_some()) else {
        if let Err(error) = result {
            broken.push((Rule::Result, nothing_failed(error)));
        }
        return;
    };
    match (expected(run, injection), result) {
        (Expected::Well, Err(error)) => broken.push((Rule::Result, nothing_failed(error))),
        (Expected::Fault, Ok(())) => {
            broken.push((Rule::Result, "the fault was lost: the result is `Ok`".to_owned()));
        }
        (Expected::Fault | Expected::Either, Err(error)) if !is_caused(run, injection, error) => {
            broken.push((Rule::FirstCause, format!("the first cause is {}", one(error))));
        }
        _ => {}
    }
    check_restart(run, injection, broken);
}

fn nothing_failed(error: &RunError) -> String {
    format!("nothing failed for good, and the result is {}", one(error))
}

fn expected(run: &Run, Injection { point, kind }: &Injection) -> Expected {
    match kind {
        FaultKind::Cancel => Expected::Well,
        FaultKind::Error | FaultKind::Avalanche | FaultKind::Panic => {
            match run.facts.survival(point) {
                Survival::Never => Expected::Fault,
                _ if !run.followed.is_empty() => Expected::Following,
                Survival::Restarted | Survival::Left => Expected::Well,
                Survival::Open => Expected::Either,
            }
        }
        // It may be done by the time that anybody asks it to stop.
        FaultKind::Slow if point.part == Part::Running => Expected::Either,
        FaultKind::Hang | FaultKind::Slow => Expected::Fault,
    }
}

fn is_caused(run: &Run, injection: &Injection, error: &RunError) -> bool {
    match error.primary() {
        // What cannot do without an optional module says so, and the reason comes with it.
        Failure::Skipped { optional, .. } if *optional == injection.point.module => {
            error.secondary().iter().any(|failure| is_fault(run, injection, failure))
        }
        primary => is_fault(run, injection, primary),
    }
}

/// Whether a failure is the one that was injected.
fn is_fault(run: &Run, Injection { point, kind }: &Injection, failure: &Failure) -> bool {
    let says = failure.source().is_some_and(|source| source.to_string().contains(INJECTED));
    let timed = matches!(kind, FaultKind::Hang | FaultKind::Slow);
    match failure {
        Failure::Start { module, stage, unit, .. } => {
            says && is_start(point)
                && (*module, *stage, unit.as_str()) == (point.module, point.stage, &*point.unit)
        }
        Failure::StartTimeout(timeout) => {
            let at = (timeout.module, timeout.stage, timeout.unit.as_str());
            timed && is_start(point) && at == (point.module, point.stage, &*point.unit)
        }
        Failure::TotalStartTimeout { starting, .. } => {
            let names = |line: &String| line.starts_with(&format!("`{}`", point.module));
            timed && starting.iter().any(names) && run.ended_at >= run.facts.budgets.start
        }
        Failure::Unit { module, unit, .. } | Failure::GaveUp { module, unit, .. } => {
            says && point.part == Part::Running && is_at(point, module, unit)
        }
        Failure::Stop { module, unit, .. } => says && is_at(point, module, unit),
        Failure::StopTimeout { module, units, .. } => {
            timed && *module == point.module && units.iter().any(|unit| **unit == *point.unit)
        }
        _ => false,
    }
}

fn is_at(point: &Point, module: &str, unit: &str) -> bool {
    (module, unit) == (point.module, &*point.unit)
}

/// A unit that is to be started again is, and one that is to be left alone is not.
fn check_restart(run: &Run, Injection { point, kind }: &Injection, broken: &mut Vec<Broken>) {
    if !matches!(kind, FaultKind::Error | FaultKind::Avalanche | FaultKind::Panic) {
        return;
    }
    let enters = |seen: &Seen| matches!(seen, Seen::Enter(other) if other == point);
    let times = run.log.iter().filter(|entry| enters(&entry.seen)).count();
    let expected = match run.facts.survival(point) {
        Survival::Restarted => 2,
        Survival::Left => 1,
        Survival::Never | Survival::Open => return,
    };
    if times != expected {
        let text = format!("its policy says that it runs {expected} times, and it ran {times}");
        broken.push((Rule::Result, text));
    }
}

/// The first line of an error.
fn one(error: &RunError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
