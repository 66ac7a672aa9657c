//! The faults of other frameworks, planted into ours: each is found, and the sound runner passes.

use framework_app::{App, AppBuilder, Part, PlantedBug};
use framework_core::{Stage, module_fn};
use framework_testing::{FaultKind, LifecycleReport, LifecycleSafety, Rule, assert_lifecycle_safe};

use crate::demo;

fn planted(bug: PlantedBug) -> LifecycleReport {
    LifecycleSafety::new(move || demo::app().plant(bug)).once().run()
}

/// The rules that were broken, and the kinds of faults after which they were.
fn broken(report: &LifecycleReport, rule: Rule) -> Vec<Option<FaultKind>> {
    let of_rule = report.violations().iter().filter(|violation| violation.rule == rule);
    of_rule.map(|violation| violation.injection.as_ref().map(|injection| injection.kind)).collect()
}

#[test]
fn the_sound_runner_keeps_every_rule() {
    assert_lifecycle_safe(demo::app);
}

#[test]
fn every_piece_of_code_is_broken_in_every_way() {
    let report = LifecycleSafety::new(demo::app).once().run();
    let points = report.points();
    let has = |module: &str, stage: Stage, unit: &str, part: Part| {
        let is = |point: &&framework_app::Point| {
            (point.module, point.stage, &*point.unit, point.part) == (module, stage, unit, part)
        };
        assert_eq!(points.iter().filter(is).count(), 1, "{module} {stage} {unit} {part:?}");
    };
    has("data", Stage::Construct, "Pool", Part::Start);
    has("data", Stage::Setup, "connect", Part::Start);
    has("data", Stage::Teardown, "close-pool", Part::Deferred);
    has("cache", Stage::Run, "writer", Part::Start);
    has("cache", Stage::Run, "writer", Part::Running);
    has("cache", Stage::Teardown, "sync", Part::Deferred);
    has("orders", Stage::Run, "consume", Part::Running);
    has("notes", Stage::Teardown, "save", Part::Start);
    assert_eq!(report.runs(), 1 + points.len() * FaultKind::ALL.len());
}

#[test]
fn a_start_that_fails_and_leaves_the_rest_running_is_found() {
    let report = planted(PlantedBug::NoRollback);
    let found = broken(&report, Rule::CleanedUpOnce);
    for kind in FaultKind::ALL {
        assert!(found.contains(&Some(kind)), "{kind}: {report}");
    }
    assert!(!found.contains(&None));
}

#[test]
fn a_failed_module_that_is_not_cleaned_up_is_found() {
    let report = planted(PlantedBug::NoCleanUpOfTheFailed);
    let of_the_failed = report.violations().iter().filter(|violation| {
        let injection = violation.injection.as_ref().expect("something failed");
        violation.rule == Rule::CleanedUpOnce
            && violation.detail.contains(&format!("`{}`", injection.point.module))
    });
    assert!(of_the_failed.count() > 3, "{report}");
}

#[test]
fn a_late_start_that_goes_on_is_found() {
    let report = planted(PlantedBug::LateStartGoesOn);
    let late = [Some(FaultKind::Hang), Some(FaultKind::Slow)];
    let in_time = broken(&report, Rule::InTime);
    assert!(in_time.contains(&late[0]) && in_time.contains(&late[1]), "{report}");
    let all = report.violations().iter().map(|violation| &violation.injection);
    let kinds = all.map(|injection| injection.as_ref().map(|injection| injection.kind));
    assert!(kinds.collect::<Vec<_>>().iter().all(|kind| late.contains(kind)), "{report}");
}

#[test]
fn a_stop_that_asks_everyone_at_once_is_found_even_when_nothing_fails() {
    let report = planted(PlantedBug::RootCancelledFirst);
    assert!(broken(&report, Rule::DependentsFirst).contains(&None), "{report}");
}

#[test]
fn a_stop_in_the_order_of_the_start_is_found_even_when_nothing_fails() {
    let report = planted(PlantedBug::FirstInFirstOut);
    assert!(broken(&report, Rule::DependentsFirst).contains(&None), "{report}");
}

fn one(register: fn(&mut framework_core::Registrar<'_>)) -> impl Fn() -> AppBuilder + Sync {
    move || App::builder("one").module(module_fn("one", register))
}

#[test]
fn a_task_that_nobody_owns_is_found() {
    let make = one(|reg| {
        reg.setup("open", |_cx| async {
            #[expect(clippy::disallowed_methods, reason = "this is what must be found")]
            drop(tokio::spawn(std::future::pending::<()>()));
            Ok(())
        });
    });
    let report = LifecycleSafety::new(make).kinds([]).run();
    assert_eq!(broken(&report, Rule::NothingLeft), [None], "{report}");
}

#[test]
fn a_teardown_that_counts_on_its_setup_is_found() {
    let make = one(|reg| {
        let opened = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = std::sync::Arc::clone(&opened);
        reg.setup("open", move |_cx| async move {
            opened.store(true, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        });
        reg.teardown("close", move |_cx| async move {
            assert!(seen.load(std::sync::atomic::Ordering::Relaxed), "never opened");
            Ok(())
        });
    });
    let report = LifecycleSafety::new(make)
        .kinds([FaultKind::Cancel])
        .points(|point| point.stage == Stage::Setup)
        .run();
    // Asked to stop before it had opened anything, it fails to close it.
    assert_eq!(broken(&report, Rule::Result), [], "{report}");
    let report = LifecycleSafety::new(one(|reg| {
        reg.setup("first", |_cx| async { Ok(()) });
        reg.teardown("close", |_cx| async { Err("never opened".into()) });
    }))
    .kinds([FaultKind::Cancel])
    .run();
    assert!(broken(&report, Rule::Result).contains(&None), "{report}");
}

#[test]
fn an_application_that_does_something_else_each_time_is_found() {
    static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let make = || {
        let run = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Each run makes it twice: once to see what it is, and once to run it.
        let order = if run % 4 < 2 { ["one", "two"] } else { ["two", "one"] };
        App::builder("test").module(module_fn("data", move |reg| {
            order.into_iter().for_each(|name| reg.setup(name, |_cx| async { Ok(()) }));
        }))
    };
    let report = LifecycleSafety::new(&make).kinds([]).run();
    assert_eq!(broken(&report, Rule::SameEachTime), [None], "{report}");
    let report = LifecycleSafety::new(&make).kinds([]).once().run();
    assert_eq!(report.violations(), []);
}

#[test]
fn a_report_says_after_what_which_rule_was_broken_and_how() {
    let report = LifecycleSafety::new(|| {
        let closing = module_fn("data", |reg: &mut framework_core::Registrar<'_>| {
            reg.setup("open", |_cx| async { Ok(()) });
            reg.teardown("close", |_cx| async { Ok(()) });
        });
        App::builder("shop").module(closing).plant(PlantedBug::NoCleanUpOfTheFailed)
    })
    .kinds([FaultKind::Error])
    .points(|point| point.stage == Stage::Setup)
    .once()
    .run();
    let text = "\
`shop`: 3 pieces of code, 1 faults, 2 runs
1 times a rule was broken

after an error in setup open of `data`:
    what was entered is cleaned up exactly once: teardown close of `data` ran not once
";
    assert_eq!(report.to_string(), text);
}

#[test]
#[should_panic = "12 faults were left out"]
fn faults_beyond_the_limit_are_counted_and_not_forgotten() {
    let make = one(|reg| {
        reg.setup("open", |_cx| async { Ok(()) });
        reg.teardown("close", |_cx| async { Ok(()) });
    });
    let report = LifecycleSafety::new(make).once().max_runs(7).run();
    assert_eq!((report.runs(), report.left_out()), (7, 12));
    report.assert();
}

#[test]
#[should_panic = "nothing provides `u16`"]
fn a_plan_that_is_wrong_is_told_as_such() {
    assert_lifecycle_safe(one(|reg| drop(reg.need::<u16>())));
}

#[tokio::test]
async fn it_can_be_used_in_async_tests() {
    assert_lifecycle_safe(one(|reg| reg.setup("open", |_cx| async { Ok(()) })));
}
