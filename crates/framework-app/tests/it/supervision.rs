use std::sync::atomic::{AtomicU32, Ordering};

use framework_app::Failure;
use framework_core::{EventKind, Intensity, Phase, Strategy, Supervision};

use super::*;

/// A unit that says when it starts and ends, and fails as often as `failures` says.
fn unit(
    reg: &mut Registrar<'_>,
    log: &Log,
    name: &'static str,
    policy: Supervision,
    failures: u32,
) {
    let (log, runs) = (log.clone(), AtomicU32::new(0));
    reg.supervise(name, policy, move |cx| {
        let log = log.clone();
        let fails = runs.fetch_add(1, Ordering::Relaxed) < failures;
        async move {
            log.push(format!("+{name}"));
            cx.defer("clean-up", {
                let log = log.clone();
                move || async move {
                    log.push(format!("~{name}"));
                    Ok(())
                }
            });
            Ok(async move {
                cx.lifecycle().reached(Phase::Ready).await;
                if fails {
                    return Err("connection reset".into());
                }
                cx.shutdown().await;
                log.push(format!("-{name}"));
                Ok(())
            })
        }
    });
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_fails_is_started_again_with_its_clean_ups_done() {
    let log = Log::default();
    let inner = log.clone();
    let app = app([module("feed", move |reg| {
        unit(reg, &inner, "poll", Supervision::permanent(), 2);
    })]);
    let running = app.build().unwrap().start().await.unwrap();
    until(|| log.lines().len() >= 5).await;
    running.stop(asked()).await.unwrap();
    assert_eq!(log.lines(), ["+poll", "~poll", "+poll", "~poll", "+poll", "-poll", "~poll"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_restarts_its_units_together() {
    let log = Log::default();
    let inner = log.clone();
    let app = app([module("feed", move |reg| {
        reg.group("pair", Strategy::OneForAll, Intensity::default(), |reg| {
            unit(reg, &inner, "read", Supervision::permanent(), 0);
            unit(reg, &inner, "write", Supervision::permanent(), 1);
        });
    })]);
    let running = app.build().unwrap().start().await.unwrap();
    until(|| log.lines().len() >= 7).await;
    running.stop(asked()).await.unwrap();
    assert_eq!(
        log.lines()[..7],
        ["+read", "+write", "~write", "-read", "~read", "+read", "+write"]
    );
}

#[tokio::test(start_paused = true)]
async fn too_many_restarts_stop_the_application_and_say_why() {
    let log = Log::default();
    let inner = log.clone();
    let app = app([
        noisy("data", &log, provide_u16),
        module("feed", move |reg| {
            reg.need::<u16>();
            unit(reg, &inner, "poll", Supervision::permanent().intensity(2, 30 * SECOND), 99);
        }),
    ]);
    let running = app.build().unwrap().start().await.unwrap();
    let lifecycle = running.lifecycle().clone();
    let error = running.run().await.unwrap_err();
    assert!(
        matches!(
            error.primary(),
            Failure::GaveUp { module: "feed", unit: "poll", restarts: 2, .. }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("connection reset"), "{error}");
    assert_eq!(log.lines().iter().filter(|line| *line == "+poll").count(), 3);
    assert_eq!(log.lines().last().map(String::as_str), Some("-data"));
    let restarts =
        lifecycle.events().into_iter().filter(|e| matches!(e.kind, EventKind::Restarting { .. }));
    assert_eq!(restarts.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_temporary_unit_may_fail_and_a_transient_one_may_end() {
    let log = Log::default();
    let inner = log.clone();
    let app = app([module("feed", move |reg| {
        unit(reg, &inner, "once", Supervision::temporary(), 1);
        reg.supervise("import", Supervision::transient(), |_cx| async { Ok(async { Ok(()) }) });
    })]);
    let running = app.build().unwrap().start().await.unwrap();
    until(|| log.lines().len() >= 2).await;
    let noted = running.lifecycle().events().into_iter().any(|event| {
        event.kind
            == EventKind::Failure { module: "feed", error: "once: connection reset".to_owned() }
    });
    assert!(noted, "what happened to it is told");
    running.stop(asked()).await.unwrap();
    assert_eq!(log.lines(), ["+once", "~once"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_does_not_come_up_is_not_a_success() {
    let log = Log::default();
    let inner = log.clone();
    let app = app([module("feed", move |reg| {
        let starts = Arc::new(AtomicU32::new(0));
        let policy = Supervision::permanent().intensity(3, 30 * SECOND);
        reg.supervise("poll", policy, move |cx| {
            let (log, n) = (inner.clone(), starts.fetch_add(1, Ordering::Relaxed));
            async move {
                log.push(format!("start {n}"));
                // Only the first start comes up; its unit then fails.
                if n > 0 {
                    return Err("no route to host".into());
                }
                Ok(async move {
                    cx.lifecycle().reached(Phase::Ready).await;
                    Err("connection reset".into())
                })
            }
        });
    })]);
    let running = app.build().unwrap().start().await.unwrap();
    let error = running.run().await.unwrap_err();
    assert!(matches!(error.primary(), Failure::GaveUp { restarts: 3, .. }), "{error}");
    assert!(error.to_string().contains("no route to host"), "{error}");
    assert_eq!(log.lines(), ["start 0", "start 1", "start 2", "start 3"]);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_failure_reaches_the_policy_of_its_unit() {
    // An error, a panic, and an end: each is met by a restart, and the fourth run stays up.
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    let app = app([module("feed", move |reg| {
        let policy = Supervision::permanent().intensity(3, 30 * SECOND);
        reg.supervise("poll", policy, move |cx| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            async move {
                Ok(async move {
                    cx.lifecycle().reached(Phase::Ready).await;
                    match n {
                        0 => Err("connection reset".into()),
                        1 => panic!("this test panics on purpose"),
                        2 => Ok(()),
                        _ => {
                            cx.shutdown().await;
                            Ok(())
                        }
                    }
                })
            }
        });
    })]);
    let running = app.build().unwrap().start().await.unwrap();
    let lifecycle = running.lifecycle().clone();
    until(|| runs.load(Ordering::Relaxed) == 4).await;
    running.stop(asked()).await.unwrap();
    let causes: Vec<_> = lifecycle
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Restarting { cause, .. } => Some(cause),
            _ => None,
        })
        .collect();
    assert_eq!(causes, ["connection reset", "panicked: this test panics on purpose", "it ended"]);
}
