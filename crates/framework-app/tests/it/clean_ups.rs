//! Clean-ups run, whatever becomes of what is around them.

use std::{future, time::Duration};

use framework_app::Failure;
use framework_core::{BoxError, Supervision};

use super::{Log, app, asked, module, start_and_stop};

#[tokio::test(start_paused = true)]
async fn a_teardown_that_hangs_keeps_no_other_clean_up_from_running() {
    let log = Log::default();
    let (first, deferred) = (log.clone(), log.clone());
    let data = module("data", move |reg| {
        reg.teardown("first", move |_cx| async move {
            first.push("first");
            Ok(())
        });
        reg.teardown("hangs", |_cx| future::pending());
        reg.setup("open", move |cx| async move {
            cx.defer("close", || async move {
                deferred.push("close");
                Ok(())
            });
            Ok(())
        });
    });
    let error = start_and_stop(app([data])).await.unwrap_err();
    let Failure::StopTimeout { units, .. } = error.primary() else { panic!("{error}") };
    assert_eq!(*units, ["hangs"]);
    assert_eq!(log.lines(), ["first", "close"]);
    assert!(error.secondary().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_clean_ups_of_a_unit_that_is_cut_off_run_all_the_same() {
    let log = Log::default();
    let deferred = log.clone();
    let data = module("data", move |reg| {
        reg.supervise("deaf", Supervision::permanent(), move |cx| {
            let deferred = deferred.clone();
            async move {
                cx.defer("close", || async move {
                    deferred.push("close");
                    Ok(())
                });
                Ok(future::pending::<Result<(), BoxError>>())
            }
        });
    });
    let error = start_and_stop(app([data])).await.unwrap_err();
    assert!(error.is_cut(), "{error}");
    assert_eq!(log.lines(), ["close"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_more_of_a_module_starts_once_it_was_asked_to_stop() {
    let log = Log::default();
    let (first, second) = (log.clone(), log.clone());
    let data = module("data", move |reg| {
        reg.setup("first", move |cx| async move {
            cx.lifecycle().request_shutdown(asked());
            cx.shutdown().await;
            first.push("first");
            Ok(())
        });
        reg.setup("second", move |_cx| async move {
            second.push("second");
            Ok(())
        });
    });
    assert!(app([data]).build().unwrap().try_start().await.unwrap().is_none());
    assert_eq!(log.lines(), ["first"]);
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_that_fails_after_a_failed_start_is_not_the_first_cause() {
    let data = module("data", |reg| {
        reg.optional();
        reg.run("serve", |cx| async move {
            cx.defer("close", || async { Err("not closed".into()) });
            tokio::time::sleep(Duration::from_millis(1)).await;
            Err::<future::Ready<Result<(), BoxError>>, BoxError>("not open".into())
        });
    });
    let error = start_and_stop(app([data])).await.unwrap_err();
    let Failure::Start { source, .. } = error.primary() else { panic!("{error}") };
    assert_eq!(source.to_string(), "not open");
    assert_eq!(error.secondary().len(), 1);
}
