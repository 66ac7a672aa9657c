use std::future;

use framework_app::Failure;
use framework_core::{EventKind, ModuleState, Phase};
use tokio::{sync::oneshot, time::Instant};

use super::*;

#[tokio::test]
async fn a_shutdown_during_start_stops_what_had_started() {
    let log = Log::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let app = app([
        noisy("data", &log, provide_u16),
        noisy("orders", &log, move |reg| {
            reg.need::<u16>();
            reg.setup("migrate", move |cx| async move {
                drop(stop);
                cx.shutdown().await;
                Err("cancelled".into())
            });
        }),
    ]);
    let ended = app.run_until(async { drop(stopped.await) }).await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(log.lines(), ["+data", "-orders", "-data"]);
}

#[tokio::test]
async fn a_programmatic_stop_without_a_signal_ends_run() {
    let app = app([module("job", |reg| {
        reg.setup("ask", |cx| async move {
            let lifecycle = cx.lifecycle().clone();
            cx.spawn("later", async move {
                lifecycle.reached(Phase::Ready).await;
                lifecycle.request_shutdown(asked());
                Ok(())
            });
            Ok(())
        });
    })]);
    app.build().unwrap().run().await.unwrap();
}

#[tokio::test]
async fn a_stop_before_the_start_starts_nothing() {
    let log = Log::default();
    let ready = app([noisy("data", &log, |_reg| ())]).build().unwrap();
    ready.lifecycle().request_shutdown(asked());
    assert!(ready.try_start().await.unwrap().is_none());
    // A module that was begun before anyone looked is stopped again; one that was not, is not.
    let lines = log.lines();
    assert!(lines.is_empty() || lines.last().is_some_and(|line| line == "-data"), "{lines:?}");
}

#[tokio::test]
async fn a_second_stop_is_no_second_shutdown() {
    let log = Log::default();
    let running = app([noisy("data", &log, |_reg| ())]).build().unwrap().start().await.unwrap();
    running.lifecycle().request_shutdown(asked());
    running.stop(asked()).await.unwrap();
    assert_eq!(log.lines(), ["+data", "-data"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_stop_in_time_is_cut_off_and_the_rest_stops_all_the_same() {
    let log = Log::default();
    let app = app([
        noisy("data", &log, |reg| reg.stop_timeout(3 * SECOND)),
        noisy("stuck", &log, |reg| {
            reg.stop_timeout(5 * SECOND);
            reg.run("loop", |_cx| async { Ok(future::pending()) });
        }),
    ]);
    let running = app.build().unwrap().start().await.unwrap();
    let lifecycle = running.lifecycle().clone();
    let begun = Instant::now();
    let error = running.stop(asked()).await.unwrap_err();
    assert!(begun.elapsed() < 6 * SECOND);
    assert!(error.is_cut());
    assert_eq!(
        error.to_string().lines().next(),
        Some("error[E0212]: `stuck` did not stop within 5 s: loop")
    );
    let mut down = log.lines().split_off(2);
    down.sort_unstable();
    assert_eq!(down, ["-data", "-stuck"], "its teardown runs too");
    let states: Vec<_> = lifecycle.modules().iter().map(|module| module.state).collect();
    assert_eq!(states, [ModuleState::Stopped, ModuleState::Abandoned]);
}

#[tokio::test(start_paused = true)]
async fn a_late_module_leaves_the_others_a_slice_of_time() {
    let budgets = {
        let mut budgets = framework_app::Budgets::default();
        budgets.shutdown = 2 * SECOND;
        budgets
    };
    let log = Log::default();
    let late = log.clone();
    let app = app([
        module("data", move |reg| {
            provide_u16(reg);
            reg.teardown("flush", move |_cx| async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                late.push("flushed");
                Ok(())
            });
        }),
        module("stuck", |reg| {
            reg.need::<u16>();
            reg.run("loop", |_cx| async { Ok(future::pending()) });
        }),
    ])
    .budgets(budgets);
    let error = start_and_stop(app).await.unwrap_err();
    assert!(matches!(error.primary(), Failure::StopTimeout { module: "stuck", .. }), "{error}");
    assert_eq!(error.secondary().len(), 0, "{error}");
    assert_eq!(log.lines(), ["flushed"]);
}

#[tokio::test(start_paused = true)]
async fn the_second_request_hurries_and_the_third_ends_at_once() {
    let stuck = || {
        app([module("stuck", |reg| {
            reg.stop_timeout(20 * SECOND);
            reg.run("loop", |_cx| async { Ok(future::pending()) });
        })])
    };
    for (requests, at_most) in [(1, 21 * SECOND), (2, 3 * SECOND), (3, Duration::from_millis(300))]
    {
        let running = stuck().build().unwrap().start().await.unwrap();
        (0..requests).for_each(|_| running.lifecycle().request_shutdown(asked()));
        let begun = Instant::now();
        running.run().await.unwrap_err();
        assert!(begun.elapsed() <= at_most, "{requests}: {:?}", begun.elapsed());
        if requests < 3 {
            assert!(begun.elapsed() >= at_most - SECOND, "{requests}: {:?}", begun.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_phases_of_a_life_come_in_order() {
    let mut budgets = framework_app::Budgets::default();
    budgets.lame_duck = 5 * SECOND;
    let running =
        app([module("data", |_reg| ())]).budgets(budgets).build().unwrap().start().await.unwrap();
    let lifecycle = running.lifecycle().clone();
    let begun = Instant::now();
    running.stop(asked()).await.unwrap();
    assert!(begun.elapsed() >= 5 * SECOND);
    let phase = |kind| match kind {
        EventKind::Phase(phase) => Some(phase),
        _ => None,
    };
    let phases: Vec<_> =
        lifecycle.events().into_iter().filter_map(|event| phase(event.kind)).collect();
    assert_eq!(
        phases,
        [
            Phase::Starting,
            Phase::Ready,
            Phase::LameDuck,
            Phase::Draining,
            Phase::Stopping,
            Phase::Stopped
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn work_in_hand_is_finished_before_what_it_relies_on_is_stopped() {
    let log = Log::default();
    let (begin, end) = (log.clone(), log.clone());
    let app = app([
        noisy("data", &log, provide_u16),
        module("server", move |reg| {
            reg.need::<u16>();
            reg.run("serve", move |cx| async move {
                Ok(async move {
                    begin.push("request");
                    cx.shutdown().await;
                    // A request of 3 s is in hand when the shutdown begins.
                    tokio::time::sleep(3 * SECOND).await;
                    end.push("answer");
                    Ok(())
                })
            });
        }),
    ]);
    let running = app.build().unwrap().start().await.unwrap();
    tokio::task::yield_now().await;
    running.stop(asked()).await.unwrap();
    assert_eq!(log.lines(), ["+data", "request", "answer", "-data"]);
}
