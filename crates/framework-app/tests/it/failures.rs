use framework_app::Failure;
use framework_core::{Lifecycle, Phase, Stage};
use tokio::time::Instant;

use super::*;

/// Three modules in a chain, the last of which does `declare` besides.
fn chain(log: &Log, declare: impl FnOnce(&mut Registrar<'_>) + Send + 'static) -> AppBuilder {
    app([
        noisy("data", log, provide_u16),
        noisy("stock", log, |reg| {
            reg.need::<u16>();
            reg.provide(|_cx| async { Ok(80_u32) });
        }),
        noisy("orders", log, |reg| {
            reg.need::<u32>();
            declare(reg);
        }),
    ])
}

async fn failure_of(app: AppBuilder) -> RunError {
    let running = match app.build().unwrap().start().await {
        Err(error) => return error,
        Ok(running) => running,
    };
    running.run().await.unwrap_err()
}

const ROLLED_BACK: [&str; 5] = ["+data", "+stock", "-orders", "-stock", "-data"];

#[tokio::test]
async fn a_failed_start_stops_what_had_started_in_reverse() {
    let log = Log::default();
    let error = failure_of(chain(&log, |reg| {
        reg.setup("migrate", |_cx| async { Err("no such table".into()) });
    }))
    .await;
    let failed = Failure::module(error.primary());
    assert_eq!(failed, Some("orders"));
    assert!(matches!(error.primary(), Failure::Start { stage: Stage::Setup, .. }), "{error}");
    assert_eq!(log.lines(), ROLLED_BACK);
}

#[tokio::test]
async fn a_panic_in_any_stage_of_the_start_is_an_error_with_its_message() {
    type Declare = fn(&mut Registrar<'_>);
    let stages: [(Stage, Declare); 3] = [
        (Stage::Construct, |reg| {
            reg.provide::<i8, _, _>(|_cx| async { panic!("this test panics on purpose") });
        }),
        (Stage::Setup, |reg| {
            reg.setup("s", |_cx| async { panic!("this test panics on purpose") });
        }),
        (Stage::Run, |reg| {
            reg.run("r", |_cx| async {
                assert_ne!(1, 1, "this test panics on purpose");
                Ok(async { Ok(()) })
            });
        }),
    ];
    for (stage, declare) in stages {
        let log = Log::default();
        let error = failure_of(chain(&log, declare)).await;
        assert!(
            matches!(error.primary(), Failure::Start { stage: s, .. } if *s == stage),
            "{error}"
        );
        assert!(error.to_string().contains("this test panics on purpose"), "{error}");
        let expected: &[&str] = if stage == Stage::Run {
            &["+data", "+stock", "+orders", "-orders", "-stock", "-data"]
        } else {
            &ROLLED_BACK
        };
        assert_eq!(log.lines(), expected, "{stage}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_start_is_ended_at_its_limit_and_rolled_back() {
    let log = Log::default();
    let begun = Instant::now();
    let error = failure_of(chain(&log, |reg| {
        reg.start_timeout(5 * SECOND);
        reg.setup("connect", |_cx| async { std::future::pending().await });
    }))
    .await;
    assert!(begun.elapsed() < 7 * SECOND, "{:?}", begun.elapsed());
    assert!(matches!(error.primary(), Failure::StartTimeout(_)), "{error}");
    assert_eq!(log.lines(), ROLLED_BACK);
}

#[tokio::test(start_paused = true)]
async fn the_message_of_a_start_timeout_says_all_that_is_known() {
    let db = module("db", |reg| {
        provide_u16(reg);
        reg.start_timeout(15 * SECOND);
        reg.setup("connect", |cx| async move {
            tokio::time::sleep(Duration::from_millis(12_900)).await;
            cx.note("connecting to db.internal:5432, attempt 5");
            cx.shutdown().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            Err("gave up".into())
        });
    });
    let waits = |name| module(name, |reg| drop(reg.need::<u16>()));
    let app = app([module("metrics", |_reg| ()), db, waits("migrations"), waits("orders")]);
    let error = failure_of(app).await;
    assert_eq!(
        error.to_string(),
        "error[E0207]: module `db` did not start within 15 s (its own limit)

    last note   : \"connecting to db.internal:5432, attempt 5\" (2.1 s before)
    was in      : setup connect
    waited for  : 15 s, then cancelled, ended by itself at 15.2 s
    waiting on it: migrations, orders
    rollback    : metrics ok 0 ms, db ok 0 ms   (0 ms of 10 s)

help: see why this takes so long, or ask for more with `reg.start_timeout(…)`
"
    );
}

#[tokio::test]
async fn the_first_cause_and_every_later_failure_are_printed() {
    let app = app([
        module("cache", |reg| {
            reg.run("flush", |cx| async move {
                Ok(async move {
                    cx.shutdown().await;
                    Err("the disk is full".into())
                })
            });
            reg.teardown("close", |_cx| async { panic!("this test panics on purpose") });
        }),
        module("orders", |reg| {
            reg.setup("migrate", |cx| async move {
                cx.defer("unlock", || async { Err("no lock".into()) });
                Err("no such table".into())
            });
        }),
    ]);
    let message = without_lines(&failure_of(app).await);
    let mut lines: Vec<_> = message.lines().collect();
    // The modules do not wait for one another, so either may come first on the way down.
    lines[8..].sort_unstable();
    assert_eq!(lines[0], "error[E0201]: `orders` failed to start: setup migrate");
    assert_eq!(lines[2], "    no such table   crates/framework-app/tests/it/failures.rs");
    assert_eq!(lines[5], "after that:");
    assert_eq!(lines.len(), 9, "{message}");
    for late in [
        "    `cache` failed to stop: close: panicked: this test panics on purpose",
        "    `cache` failed to stop: flush: the disk is full",
        "    `orders` failed to stop: unlock: no lock",
    ] {
        assert!(lines.contains(&late), "{message}");
    }
}

#[tokio::test]
async fn a_unit_that_fails_while_running_stops_the_application_in_order() {
    type Run = fn(&mut Registrar<'_>);
    let ways: [(&str, Run); 3] = [
        ("error[E0208]: `orders` failed: poll", |reg| {
            reg.run("poll", |_cx| async { Ok(async { Err("no route to host".into()) }) });
        }),
        ("error[E0208]: `orders` failed: poll", |reg| {
            reg.run("poll", |_cx| async { Ok(async { panic!("this test panics on purpose") }) });
        }),
        ("error[E0209]: `orders` ended early: poll", |reg| {
            reg.run("poll", |_cx| async { Ok(async { Ok(()) }) });
        }),
    ];
    for (message, run) in ways {
        let log = Log::default();
        let error = failure_of(chain(&log, run)).await;
        assert_eq!(error.to_string().lines().next(), Some(message));
        assert_eq!(log.lines(), ["+data", "+stock", "+orders", "-orders", "-stock", "-data"]);
    }
}

#[tokio::test]
async fn a_failed_task_is_reported_and_the_application_goes_on() {
    let app = app([module("mail", |reg| {
        reg.setup("send", |cx| async move {
            cx.spawn("one", async { Err("no such address".into()) });
            Ok(())
        });
    })]);
    let running = app.build().unwrap().start().await.unwrap();
    let lifecycle: Lifecycle = running.lifecycle().clone();
    let told = || {
        lifecycle.events().iter().any(|event| {
            format!("{:?}", event.kind).contains("`mail` had a task fail: one: no such address")
        })
    };
    while !told() {
        tokio::task::yield_now().await;
    }
    running.stop(asked()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_ends_with_the_drain_has_not_ended_early() {
    let log = Log::default();
    let running = app([
        noisy("server", &log, |reg| {
            reg.provide(|_cx| async { Ok(1_u8) });
            reg.run("serve", |cx| async move {
                Ok(async move {
                    cx.lifecycle().reached(Phase::Draining).await;
                    Ok(())
                })
            });
        }),
        // Stops before the server, and takes its time.
        noisy("slow", &log, |reg| {
            reg.need::<u8>();
            reg.teardown("flush", |_cx| async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(())
            });
        }),
    ]);
    let running = running.build().unwrap().start().await.unwrap();
    running.lifecycle().request_shutdown(ShutdownReason::Signal("SIGTERM"));
    running.run().await.unwrap();
    assert_eq!(log.lines(), ["+server", "+slow", "-slow", "-server"]);
}
