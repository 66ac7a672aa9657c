use std::{future, io, time::Duration};

use framework_core::{Module, module_fn};
use rustix::process::Signal;

use crate::process::{Process, say};

const SOON: Duration = Duration::from_secs(2);

/// Never gets ready, unless it is asked to stop.
pub(crate) fn slow_start() -> impl Module {
    module_fn("slow", |reg| {
        reg.setup("wait", |cx| async move {
            cx.defer("clean-up", || async {
                say("cleaned up");
                Ok(())
            });
            say("setting up");
            cx.shutdown().await;
            Ok(())
        });
    })
}

/// Registers only when it is told to go on.
pub(crate) fn slow_register() -> impl Module {
    module_fn("slow", |reg| {
        say("registering");
        let mut line = String::new();
        io::stdin().read_line(&mut line).expect("the test writes a line");
        reg.setup("wait", |_cx| async {
            say("setting up");
            Ok(())
        });
        reg.run("run", |cx| async move {
            Ok(async move {
                cx.shutdown().await;
                Ok(())
            })
        });
    })
}

/// Does not stop.
pub(crate) fn stubborn() -> impl Module {
    module_fn("stubborn", |reg| {
        reg.run("run", |cx| async {
            Ok(async move {
                cx.shutdown().await;
                say("asked to stop");
                cx.lifecycle().shutdown_requested(2).await;
                say("asked again");
                future::pending().await
            })
        });
        reg.stop_timeout_at_most(Duration::from_secs(60));
    })
}

/// Fails once it runs, and again on the way down.
pub(crate) fn failing() -> impl Module {
    module_fn("failing", |reg| {
        reg.run("run", |cx| async {
            Ok(async move {
                cx.lifecycle().reached(framework_core::Phase::Ready).await;
                Err("the moon is full".into())
            })
        });
        reg.teardown("tidy", |_cx| async { Err("the broom is gone".into()) });
    })
}

/// Finds no room on the disk.
pub(crate) fn full_disk() -> impl Module {
    module_fn("data", |reg| {
        reg.setup("open", |_cx| async { Err(io::Error::from(io::ErrorKind::StorageFull).into()) });
    })
}

#[test]
fn a_signal_during_the_start_stops_what_had_started_and_is_no_failure() {
    let mut process = Process::start("slow-start", "");
    process.until("setting up");
    process.signal(Signal::TERM);
    let (code, said) = process.ends_within(SOON);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("said: cleaned up") && !said.contains("error["), "{said}");
}

#[test]
fn a_signal_before_there_is_an_application_is_kept_for_it() {
    let mut process = Process::start("slow-register", "");
    process.until("registering");
    process.signal(Signal::TERM);
    process.signal(Signal::HUP);
    process.go_on();
    let (code, said) = process.ends_within(SOON);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn what_does_not_stop_in_time_is_cut_off_and_the_exit_code_says_so() {
    let mut process = Process::start("stubborn", "--set shutdown.timeout=1s");
    process.until("test is ready");
    process.signal(Signal::TERM);
    let (code, said) = process.ends_within(SOON + Duration::from_secs(1));
    assert_eq!(code, 124, "{said}");
    assert!(said.contains("error[E0212]: `stubborn` did not stop within"), "{said}");
}

#[test]
fn a_second_signal_cuts_the_stop_short() {
    let args = "--set shutdown.timeout=50s --set shutdown.force_after=200ms";
    let mut process = Process::start("stubborn", args);
    process.until("test is ready");
    process.signal(Signal::TERM);
    process.until("asked to stop");
    process.signal(Signal::TERM);
    let (code, said) = process.ends_within(SOON);
    assert_eq!(code, 124, "{said}");
    assert!(said.contains("said: asked again"), "{said}");
}

#[test]
fn a_third_signal_ends_the_process_at_once() {
    for (last, expected) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::QUIT, 131)] {
        let args = "--set shutdown.timeout=50s --set shutdown.force_after=40s";
        let mut process = Process::start("stubborn", args);
        process.until("test is ready");
        process.signal(Signal::TERM);
        process.until("asked to stop");
        process.signal(Signal::TERM);
        process.until("asked again");
        process.signal(last);
        let (code, said) = process.ends_within(SOON);
        assert_eq!(code, expected, "{said}");
    }
}

#[test]
fn a_failure_is_told_once_with_all_that_came_after_it() {
    let (code, said) = Process::start("failing", "--set telemetry.log.level=off").ends_within(SOON);
    assert_eq!(code, 70, "{said}");
    let told = said.split_once("error[").unwrap().1;
    assert!(told.starts_with("E0208]: `failing` failed: run\n\n    the moon is full   "), "{told}");
    assert!(told.contains("\nafter that:\n"), "{told}");
    assert!(told.contains("`failing` failed to stop: tidy: the broom is gone"), "{told}");
    assert_eq!(said.matches("the moon is full").count(), 1, "{said}");
}

#[test]
fn a_full_disk_is_the_operating_systems_fault() {
    let (code, said) = Process::start("full-disk", "").ends_within(SOON);
    assert_eq!(code, 71, "{said}");
}

#[test]
fn with_debug_the_log_has_where_the_time_of_the_start_went() {
    let mut process = Process::start("stubborn", "--debug --set shutdown.timeout=250ms");
    process.until("started 5 modules in");
    process.signal(Signal::TERM);
    assert_eq!(process.ends_within(SOON).0, 124);
}

#[test]
fn memory_is_given_back_at_readiness_and_twice_soon_after() {
    let mut process = Process::start("stubborn", "--debug --set shutdown.timeout=250ms");
    for _ in 0..3 {
        process.until("gave back what only the start needed");
    }
    process.signal(Signal::TERM);
    assert_eq!(process.ends_within(SOON).0, 124);
}
