//! What no runner that we have does wrong.

use std::sync::Arc;

use framework_app::{App, RunError};
use framework_core::{BoxError, LifecycleEvent, Registrar, module_fn};

use super::*;
use crate::{
    lifecycle::{drive, recorder::Entry},
    paused,
};

const DRIVE: Drive = Drive { serve_for: Duration::from_secs(1), look_on: Duration::from_secs(1) };

fn setup() -> Point {
    Point { module: "data", stage: Stage::Setup, unit: Arc::from("open"), part: Part::Start }
}

fn close() -> Point {
    Point { stage: Stage::Teardown, unit: Arc::from("close"), ..setup() }
}

fn data(reg: &mut Registrar<'_>) {
    reg.setup("open", |_cx| async { Ok(()) });
    reg.teardown("close", |_cx| async { Ok(()) });
}

fn ran(injection: Option<&Injection>) -> Run {
    drive::run(&|| App::builder("test").module(module_fn("data", data)), DRIVE, injection).unwrap()
}

/// An error of an application whose setup failed with `text`.
fn error(text: &'static str) -> RunError {
    let failing = module_fn("data", move |reg: &mut Registrar<'_>| {
        reg.setup("open", move |_cx| async move { Err::<(), BoxError>(text.into()) });
    });
    let ready = App::builder("test").module(failing).build().unwrap();
    paused(ready.run()).unwrap_err()
}

fn broken(mut run: Run, kind: Option<FaultKind>) -> Vec<Broken> {
    let injection = kind.map(|kind| Injection { point: setup(), kind });
    check(&mut run, DRIVE, injection.as_ref())
}

fn rules(run: Run, kind: Option<FaultKind>) -> Vec<Rule> {
    broken(run, kind).into_iter().map(|(rule, _)| rule).collect()
}

fn fault(kind: FaultKind) -> Run {
    ran(Some(&Injection { point: setup(), kind }))
}

#[test]
fn a_run_in_which_nothing_is_wrong_breaks_no_rule() {
    assert_eq!(rules(ran(None), None), []);
    for kind in FaultKind::ALL {
        assert_eq!(rules(fault(kind), Some(kind)), [], "{kind}");
    }
}

#[test]
fn code_that_runs_after_the_end_is_found() {
    let mut run = ran(None);
    let at = run.ended_at + Duration::from_secs(3);
    run.log.push(Entry { at, seen: Seen::Leave(setup()) });
    let text = "setup open of `data` went on 3s after the application had ended";
    assert!(broken(run, None).contains(&(Rule::NothingAfterTheEnd, text.to_owned())));
}

#[test]
fn code_that_is_never_left_is_found() {
    let mut run = ran(None);
    run.log.retain(|entry| entry.seen != Seen::Leave(close()));
    run.ended = run.log.len();
    assert_eq!(rules(run, None), [Rule::NothingLeft]);
}

#[test]
fn a_clean_up_that_runs_twice_is_found() {
    let mut run = ran(None);
    let again: Vec<_> = run.log[run.log.len() - 2..].to_vec();
    run.log.extend(again);
    run.ended = run.log.len();
    assert_eq!(rules(run, None), [Rule::CleanedUpOnce]);
}

#[test]
fn a_fault_that_is_lost_is_found() {
    let run = Run { result: Some(Ok(())), ..fault(FaultKind::Error) };
    assert_eq!(rules(run, Some(FaultKind::Error)), [Rule::Result]);
}

#[test]
fn a_failure_that_nobody_caused_is_found() {
    let run = Run { result: Some(Err(error("out of nowhere"))), ..ran(None) };
    assert_eq!(rules(run, None), [Rule::Result]);
    let run = Run { result: Some(Err(error("cancelled"))), ..fault(FaultKind::Cancel) };
    assert_eq!(rules(run, Some(FaultKind::Cancel)), [Rule::Result]);
}

#[test]
fn another_error_on_top_of_the_fault_is_found() {
    let run = Run { result: Some(Err(error("another"))), ..fault(FaultKind::Panic) };
    assert_eq!(rules(run, Some(FaultKind::Panic)), [Rule::FirstCause]);
    let run = Run { result: Some(Err(error("another"))), ..fault(FaultKind::Hang) };
    assert_eq!(rules(run, Some(FaultKind::Hang)), [Rule::FirstCause]);
}

#[test]
fn a_later_failure_that_is_forgotten_is_found() {
    let first = Some(Err(error(super::super::injection::INJECTED)));
    let run = Run { result: first, ..fault(FaultKind::Avalanche) };
    assert_eq!(run.followed, [close()]);
    assert_eq!(rules(run, Some(FaultKind::Avalanche)), [Rule::EveryFailure]);
}

#[test]
fn an_end_that_comes_too_late_or_never_is_found() {
    let run = Run { ended_at: Duration::from_secs(28), ..ran(None) };
    assert_eq!(rules(run, None), [Rule::InTime]);
    let run = Run { ended_at: Duration::from_secs(13), ..fault(FaultKind::Error) };
    assert_eq!(rules(run, Some(FaultKind::Error)), [Rule::InTime]);
    let run = Run { result: None, ..ran(None) };
    assert_eq!(rules(run, None), [Rule::InTime]);
}

#[test]
fn tasks_and_clean_ups_that_are_left_over_are_found() {
    assert_eq!(rules(Run { tasks: 1, ..ran(None) }, None), [Rule::NothingLeft]);
    let run = Run { left_over: vec![("data", "close-pool")], ..ran(None) };
    assert_eq!(rules(run, None), [Rule::CleanedUpOnce]);
}

#[test]
fn two_runs_differ_by_what_happened_and_not_by_when() {
    let first = ran(None);
    let mut later = ran(None);
    later.log.iter_mut().for_each(|entry| entry.at += Duration::from_secs(1));
    assert_eq!(difference(&first, &later), None);
    let kind = EventKind::Module { module: "data", state: framework_core::ModuleState::Failed };
    later.events.push(LifecycleEvent { at: Duration::ZERO, kind });
    let text = "the first time nothing; the second time `data` is failed".to_owned();
    assert_eq!(difference(&first, &later), Some((Rule::SameEachTime, text)));
}
