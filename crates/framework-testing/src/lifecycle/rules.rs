//! What must hold of every run, whatever went wrong in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use framework_app::{Failure, Part, Point};
use framework_core::{EventKind, Outcome, Stage};

use super::{
    FaultKind, Injection, Rule,
    drive::{Drive, Run},
    expect,
    facts::SLACK,
    injection::{Place, is_start, is_teardown},
    recorder::{Broken, Seen},
};

/// Everything that is wrong with a run.
pub(super) fn check(run: &mut Run, drive: Drive, injection: Option<&Injection>) -> Vec<Broken> {
    let mut broken = std::mem::take(&mut run.broken);
    let run = &*run;
    expect::check(run, injection, &mut broken);
    clean_ups(run, &mut broken);
    order(run, &mut broken);
    the_end(run, &mut broken);
    limits(run, drive, injection, &mut broken);
    failures(run, &mut broken);
    // Once is enough: what breaks a rule in one place breaks it in each that follows.
    broken.sort();
    broken.dedup();
    broken
}

/// The first thing that a module did differently in two runs with the same fault.
///
/// When it happened does not count: code that waits for the machine takes as long as the machine
/// does. Nor does what other modules did meanwhile: the runtime wakes those who wait for the same
/// thing in no particular order.
pub(super) fn difference(first: &Run, second: &Run) -> Option<Broken> {
    let (mut one, mut two) = (histories(first), histories(second));
    let modules: BTreeSet<&str> = one.keys().chain(two.keys()).copied().collect();
    modules.into_iter().find_map(|module| {
        let (one, two) =
            (one.remove(module).unwrap_or_default(), two.remove(module).unwrap_or_default());
        let at = (0..one.len().max(two.len())).find(|at| one.get(*at) != two.get(*at))?;
        let side = |texts: &[String]| texts.get(at).map_or("nothing", String::as_str).to_owned();
        let text = format!("the first time {}; the second time {}", side(&one), side(&two));
        Some((Rule::SameEachTime, text))
    })
}

/// What happened in each module, and to the application as a whole under no name.
fn histories(run: &Run) -> BTreeMap<&'static str, Vec<String>> {
    let mut histories: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let log = run.log.iter().map(|entry| seen(&entry.seen));
    for (module, text) in log.chain(run.events.iter().filter_map(|event| told(&event.kind))) {
        histories.entry(module).or_default().push(text);
    }
    histories
}

fn seen(seen: &Seen) -> (&'static str, String) {
    match seen {
        Seen::Module(module) => (module, format!("`{module}` begins")),
        Seen::Enter(point) => (point.module, format!("{} begins", Place(point))),
        Seen::Leave(point) => (point.module, format!("{} ends", Place(point))),
    }
}

/// What an event tells that must be the same each time.
fn told(kind: &EventKind) -> Option<(&'static str, String)> {
    let told = match kind {
        EventKind::Phase(phase) => ("", format!("the phase is {phase}")),
        EventKind::Module { module, state } => (*module, format!("`{module}` is {state}")),
        EventKind::UnitStarted { module, stage, unit } => {
            (*module, format!("{stage} {unit} of `{module}` begins"))
        }
        EventKind::UnitEnded { module, stage, unit, outcome, .. } => {
            (*module, format!("{stage} {unit} of `{module}` is {}", outcome.as_str()))
        }
        EventKind::Restarting { module, unit, .. } => {
            (*module, format!("{unit} of `{module}` is restarted"))
        }
        EventKind::GaveUp { module, unit, .. } => {
            (*module, format!("{unit} of `{module}` gives up"))
        }
        EventKind::Failure { module, .. } => (*module, format!("`{module}` fails")),
        _ => return None,
    };
    Some(told)
}

fn begun(run: &Run) -> BTreeMap<&'static str, Duration> {
    let begin = |entry: &super::recorder::Entry| match &entry.seen {
        Seen::Module(name) => Some((*name, entry.at)),
        Seen::Enter(_) | Seen::Leave(_) => None,
    };
    run.log.iter().filter_map(begin).collect()
}

fn entered(run: &Run) -> impl Iterator<Item = (usize, Duration, &Point)> {
    run.log.iter().enumerate().filter_map(|(n, entry)| match &entry.seen {
        Seen::Enter(point) => Some((n, entry.at, point)),
        Seen::Module(_) | Seen::Leave(_) => None,
    })
}

fn clean_ups(run: &Run, broken: &mut Vec<Broken>) {
    let begun = begun(run);
    let mut ran: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (_, _, point) in entered(run) {
        if is_teardown(point) {
            *ran.entry((point.module, &point.unit)).or_default() += 1;
        }
        if !begun.contains_key(point.module) {
            let text = format!("{} ran, whose module had not begun", Place(point));
            broken.push((Rule::CleanedUpOnce, text));
        }
    }
    for module in begun.keys() {
        let Some(facts) = run.facts.modules.get(module) else { continue };
        for (teardown, expected) in &facts.teardowns {
            let times = ran.get(&(*module, *teardown)).copied().unwrap_or(0);
            if times != *expected {
                let text = format!("teardown {teardown} of `{module}` ran {}", many(times));
                broken.push((Rule::CleanedUpOnce, text));
            }
        }
    }
    for (module, name) in &run.left_over {
        let text = format!("clean-up {name} of `{module}` never ran");
        broken.push((Rule::CleanedUpOnce, text));
    }
}

fn many(times: usize) -> String {
    match times {
        0 => "not once".to_owned(),
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

/// No module begins to clean up before the last code of what relies on it is over.
fn order(run: &Run, broken: &mut Vec<Broken>) {
    let mut last: BTreeMap<&str, (usize, &Point)> = BTreeMap::new();
    for (n, entry) in run.log.iter().enumerate() {
        if let Seen::Enter(point) | Seen::Leave(point) = &entry.seen {
            last.insert(point.module, (n, point));
        }
    }
    let mut first: BTreeMap<&str, (usize, &Point)> = BTreeMap::new();
    for (n, _, point) in entered(run).filter(|(_, _, point)| is_teardown(point)) {
        first.entry(point.module).or_insert((n, point));
    }
    for (module, relies_on) in &run.relied_on {
        let Some((after, left)) = last.get(module) else { continue };
        for other in relies_on {
            let Some((_, teardown)) = first.get(other).filter(|(at, _)| at < after) else {
                continue;
            };
            let text = format!("{} began before {} was over", Place(teardown), Place(left));
            broken.push((Rule::DependentsFirst, text));
        }
    }
}

fn the_end(run: &Run, broken: &mut Vec<Broken>) {
    for entry in &run.log[run.ended.min(run.log.len())..] {
        let (Seen::Enter(point) | Seen::Leave(point)) = &entry.seen else { continue };
        let after = entry.at.saturating_sub(run.ended_at);
        let what = if matches!(entry.seen, Seen::Enter(_)) { "began" } else { "went on" };
        let text = format!("{} {what} {after:?} after the application had ended", Place(point));
        broken.push((Rule::NothingAfterTheEnd, text));
    }
    if run.tasks > 0 {
        let text = format!("{} tasks live on after the application has ended", run.tasks);
        broken.push((Rule::NothingLeft, text));
    }
    for (point, _) in lives(run).into_iter().filter(|(_, life)| life.1.is_none()) {
        let text = format!("{} has neither ended nor been dropped", Place(point));
        broken.push((Rule::NothingLeft, text));
    }
}

/// When each piece of code was entered, and when it was left.
fn lives(run: &Run) -> Vec<(&Point, (Duration, Option<Duration>))> {
    let mut lives: Vec<(&Point, (Duration, Option<Duration>))> = Vec::new();
    for entry in &run.log {
        match &entry.seen {
            Seen::Module(_) => {}
            Seen::Enter(point) => lives.push((point, (entry.at, None))),
            Seen::Leave(point) => {
                let open = |(other, life): &&mut (&Point, (Duration, Option<Duration>))| {
                    *other == point && life.1.is_none()
                };
                if let Some((_, life)) = lives.iter_mut().find(open) {
                    life.1 = Some(entry.at);
                }
            }
        }
    }
    lives
}

fn limits(run: &Run, drive: Drive, injection: Option<&Injection>, broken: &mut Vec<Broken>) {
    let begun = begun(run);
    for (point, (_, left)) in lives(run) {
        let (Some(begun), Some(left)) = (begun.get(point.module), left) else { continue };
        let took = left.saturating_sub(*begun);
        let limit = run.facts.start_gone_after(point.module);
        if is_start(point) && took > limit {
            let text = format!(
                "{} was there until {took:?} after its module began; it has {limit:?} at most",
                Place(point)
            );
            broken.push((Rule::InTime, text));
        }
    }
    let due = due(run, drive, injection, &begun);
    if run.result.is_some() && run.ended_at > due {
        let text = format!("it ended after {:?}, and should have by {due:?}", run.ended_at);
        broken.push((Rule::InTime, text));
    }
}

/// When a run should be over.
fn due(
    run: &Run,
    drive: Drive,
    injection: Option<&Injection>,
    begun: &BTreeMap<&'static str, Duration>,
) -> Duration {
    let (facts, budgets) = (&run.facts, &run.facts.budgets);
    let serving = match run.ready_at {
        Some(at) => at + drive.serve_for + budgets.shutdown + SLACK,
        None => budgets.start + facts.gives_up() + budgets.rollback + SLACK,
    };
    let Some((Injection { point, kind }, at)) = injection.zip(run.injected_at) else {
        return serving;
    };
    // Its failure ends the start at once, or the serving.
    let ends = is_start(point) && run.ready_at.is_none();
    match kind {
        FaultKind::Error | FaultKind::Avalanche | FaultKind::Panic if ends => {
            at + facts.gives_up() + budgets.rollback + SLACK
        }
        FaultKind::Hang | FaultKind::Slow if ends => {
            let begun = begun.get(point.module).copied().unwrap_or(at);
            begun + facts.start_gone_after(point.module) + budgets.rollback + SLACK
        }
        FaultKind::Cancel if is_start(point) || point.part == Part::Running => {
            at + facts.gives_up() + budgets.rollback.max(budgets.shutdown) + SLACK
        }
        _ => serving,
    }
}

/// Whatever failed while stopping is in the result, as often as it failed.
fn failures(run: &Run, broken: &mut Vec<Broken>) {
    let Some(result) = &run.result else { return };
    let mut kept: Vec<(&str, &str)> = Vec::new();
    if let Err(error) = result {
        kept.extend(error.failures().filter_map(|failure| match failure {
            Failure::Stop { module, unit, .. } => Some((*module, unit.as_str())),
            _ => None,
        }));
    }
    // What the runner saw fail, and what was made to fail whether it saw it or not.
    let told = run.events.iter().filter_map(|event| match &event.kind {
        EventKind::UnitEnded { module, stage: Stage::Teardown, unit, outcome, .. } => {
            matches!(outcome, Outcome::Failed(_)).then_some((*module, &**unit))
        }
        _ => None,
    });
    let made = run.followed.iter().map(|point| (point.module, &*point.unit));
    let told: Vec<_> = told.collect();
    for failed in [told, made.collect()] {
        let mut left = kept.clone();
        for (module, unit) in failed {
            if let Some(at) = left.iter().position(|kept| *kept == (module, unit)) {
                left.swap_remove(at);
                continue;
            }
            let text = format!("{unit} of `{module}` failed, and the result does not say so");
            broken.push((Rule::EveryFailure, text));
        }
    }
}

#[cfg(test)]
mod tests;
