use framework_app::{Budgets, Failure};
use framework_core::EventKind;

use super::*;

#[test]
fn deadlines_whose_sum_exceeds_the_grace_are_refused_at_plan_time() {
    let mut budgets = Budgets::default();
    budgets.lame_duck = 5 * SECOND;
    let app = app([
        module("data", |reg| {
            provide_u16(reg);
            reg.stop_timeout(12 * SECOND);
        }),
        module("aside", |reg| reg.stop_timeout(10 * SECOND)),
        module("orders", |reg| {
            reg.need::<u16>();
            reg.stop_timeout(10 * SECOND);
        }),
    ])
    .budgets(budgets);
    let error = app.build().unwrap_err();
    assert_eq!(
        without_lines(&error),
        "error[E0205]: what modules ask for is more than the shutdown may take

         5 s   lame duck
        12 s   data     crates/framework-app/tests/it/budgets.rs
        10 s   orders   crates/framework-app/tests/it/budgets.rs
        27 s   in all, of 25 s

help: ask for less in one of them, or raise `shutdown.timeout`
"
    );
}

#[test]
fn start_limits_are_added_up_along_the_longest_chain_only() {
    let chain = |limit: u64| {
        let limit = Duration::from_secs(limit);
        app([
            module("data", move |reg| {
                provide_u16(reg);
                reg.start_timeout(limit);
            }),
            module("aside", move |reg| reg.start_timeout(limit)),
            module("orders", move |reg| {
                reg.need::<u16>();
                reg.start_timeout(limit);
            }),
        ])
    };
    assert!(chain(30).build().is_ok(), "two in a row are a minute, and the third is beside them");
    assert!(chain(31).build().unwrap_err().to_string().contains("62 s   in all, of 60 s"));
}

#[tokio::test(start_paused = true)]
async fn half_of_the_budget_gone_is_a_warning_that_names_module_stage_and_note() {
    let app = app([module("db", |reg| {
        reg.start_timeout(10 * SECOND);
        reg.setup("connect", |cx| async move {
            cx.note("attempt 3");
            tokio::time::sleep(6 * SECOND).await;
            Ok(())
        });
    })]);
    let running = app.build().unwrap().start().await.unwrap();
    let slow: Vec<_> = running
        .lifecycle()
        .events()
        .into_iter()
        .filter(|event| matches!(event.kind, EventKind::Slow { .. }))
        .collect();
    assert_eq!(slow.len(), 1);
    assert_eq!(
        slow[0].kind,
        EventKind::Slow {
            module: "db",
            stage: framework_core::Stage::Setup,
            unit: "connect".into(),
            elapsed: 5 * SECOND,
            budget: 10 * SECOND,
            note: Some("attempt 3".to_owned()),
        }
    );
    running.stop(asked()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_whole_start_has_a_limit_of_its_own() {
    let mut budgets = Budgets::default();
    budgets.start = 20 * SECOND;
    let slow = |name, needs_port| {
        module(name, move |reg| {
            if needs_port {
                reg.need::<u16>();
            } else {
                provide_u16(reg);
            }
            reg.setup("warm-up", |cx| async move {
                cx.note("page 3 of 9");
                tokio::time::sleep(15 * SECOND).await;
                Ok(())
            });
        })
    };
    let app = app([slow("data", false), slow("orders", true)]).budgets(budgets);
    let error = app.build().unwrap().start().await.unwrap_err();
    assert!(matches!(error.primary(), Failure::TotalStartTimeout { .. }), "{error}");
    assert!(
        error.to_string().contains("`orders` was in setup warm-up, last note \"page 3 of 9\""),
        "{error}"
    );
}
