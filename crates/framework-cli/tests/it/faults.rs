//! Whatever goes wrong while a process starts or runs: it is stopped in order, in time, and told.

use std::{fs, future, sync::Arc, time::Duration};

use framework_core::{BoxError, BoxModule, Context, Registrar, module_fn};

use crate::process::{Process, say};

const LIMIT: Duration = Duration::from_secs(1);

/// What `orders` does wrong, in the place where it does it.
async fn go_wrong(kind: &'static str, cx: Context) -> Result<(), BoxError> {
    match kind {
        "error" => Err("no such table".into()),
        "panic" => panic!("this test panics on purpose"),
        // Deaf to being asked to stop, too.
        _ => {
            say("hanging");
            drop(cx);
            future::pending().await
        }
    }
}

fn fault(reg: &mut Registrar<'_>, stage: &str, kind: &'static str) {
    match stage {
        "construct" => {
            reg.provide(move |cx| async move { go_wrong(kind, cx).await.map(|()| 'x') });
        }
        "setup" => reg.setup("migrate", move |cx| go_wrong(kind, cx)),
        "run" => reg.run("poll", move |cx| async move {
            go_wrong(kind, cx).await?;
            Ok(future::ready(Ok(())))
        }),
        _ => reg.run("poll", move |cx| async move {
            Ok(async move {
                cx.lifecycle().reached(framework_core::Phase::Ready).await;
                go_wrong(kind, cx).await
            })
        }),
    }
}

/// Three modules in a chain that say when they stop, the last of which goes wrong. The one in the
/// middle fails on the way down.
pub(crate) fn modules(name: &str) -> Vec<BoxModule> {
    let (stage, kind) = name.split_once('-').expect("a stage and a kind");
    let kind = ["error", "panic", "hang"].into_iter().find(|known| *known == kind);
    let (stage, kind) = (stage.to_owned(), kind.expect("a kind of fault"));
    let data = module_fn("data", |reg| {
        reg.provide(|_cx| async { Ok(1_u16) });
        reg.teardown("close", |_cx| async {
            say("data is down");
            Ok(())
        });
    });
    let stock = module_fn("stock", |reg| {
        reg.need::<u16>();
        reg.provide(|_cx| async { Ok(1_u32) });
        reg.teardown("close", |_cx| async {
            say("stock is down");
            Err("the disk is full".into())
        });
    });
    let orders = module_fn("orders", move |reg| {
        reg.need::<u32>();
        reg.start_timeout(LIMIT);
        reg.stop_timeout(LIMIT);
        reg.teardown("close", |_cx| async {
            say("orders is down");
            Ok(())
        });
        fault(reg, &stage, kind);
    });
    vec![BoxModule::new(data), BoxModule::new(stock), BoxModule::new(orders)]
}

fn check(stage: &str, kind: &str, cause: &str) {
    let mut process =
        Process::start(&format!("fault-{stage}-{kind}"), "--set telemetry.log.level=off");
    if stage == "running" && kind == "hang" {
        process.until("said: hanging");
        process.signal(rustix::process::Signal::TERM);
    }
    // The process has to come up as well, on a busy machine.
    let (code, said) = process.ends_within(LIMIT + Duration::from_secs(3));
    let expected = if stage == "running" && kind == "hang" { [70, 124] } else { [70, 70] };
    assert!(expected.contains(&code), "{stage} {kind} ends with {code}: {said}");
    let down: Vec<_> =
        said.lines().filter_map(|line| line.trim().strip_suffix(" is down")).collect();
    assert_eq!(down, ["said: orders", "said: stock", "said: data"], "{stage} {kind}: {said}");
    assert!(said.contains(cause), "{stage} {kind} does not tell {cause:?}: {said}");
    assert!(said.contains("`stock` failed to stop: close: the disk is full"), "{said}");
}

#[test]
fn an_error_in_any_stage_stops_the_process_in_reverse_and_in_time() {
    for stage in ["construct", "setup", "run", "running"] {
        check(stage, "error", "no such table");
    }
}

#[test]
fn a_panic_in_any_stage_stops_the_process_in_reverse_and_in_time() {
    for stage in ["construct", "setup", "run", "running"] {
        check(stage, "panic", "this test panics on purpose");
    }
}

#[test]
fn what_hangs_in_any_stage_is_ended_at_its_deadline_and_the_rest_stops_in_reverse() {
    for stage in ["construct", "setup", "run"] {
        check(
            stage,
            "hang",
            "error[E0207]: module `orders` did not start within 1 s (its own limit)",
        );
    }
    check("running", "hang", "error[E0212]: `orders` did not stop within 1");
}

#[test]
fn a_panic_is_a_line_of_the_log_and_what_fails_for_good_leaves_a_dump() {
    let place = Arc::new(tempfile::tempdir().unwrap());
    let process = Process::start_at(
        &place,
        "fault-running-panic",
        "--set telemetry.log.format=json --pid-file app.pid",
    );
    let (code, said) = process.ends_within(LIMIT + Duration::from_secs(3));
    assert_eq!(code, 70, "{said}");
    let lines: Vec<serde_json::Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["message"] == "panicked: this test panics on purpose")
        .collect();
    assert_eq!(told.len(), 1, "{said}");
    let place_of_it = told[0]["fields"]["place"].as_str().unwrap();
    assert!(place_of_it.starts_with("crates/framework-cli/tests/it/faults.rs:"), "{place_of_it}");
    assert_eq!(told[0]["level"], "ERROR");
    assert!(!said.contains("RUST_BACKTRACE"), "nobody else tells of it: {said}");
    let wrote = lines.iter().find(|line| line["message"] == "`orders` has failed: wrote a dump");
    let dump = wrote.and_then(|line| line["fields"]["dump"].as_str()).expect(&said);
    let dump = fs::read_to_string(place.path().join(dump)).unwrap();
    let dump: serde_json::Value = serde_json::from_str(&dump).unwrap();
    assert_eq!(dump["status"]["app"], "test");
    let of_modules = dump["status"]["modules"].as_array().unwrap();
    assert!(of_modules.iter().any(|it| it["name"] == "orders"), "{dump:#}");
}
