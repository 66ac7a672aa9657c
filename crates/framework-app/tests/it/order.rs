use super::*;

#[tokio::test]
async fn starts_what_is_needed_first_and_stops_it_last() {
    let log = Log::default();
    let app = app([
        noisy("server", &log, |reg| {
            reg.collect::<Page>();
            reg.contribute(Gauge);
        }),
        noisy("orders", &log, |reg| {
            reg.need::<u16>();
            reg.contribute(Page);
        }),
        noisy("data", &log, provide_u16),
    ]);
    start_and_stop(app).await.unwrap();
    assert_eq!(log.lines(), ["+data", "+orders", "+server", "-server", "-orders", "-data"]);
}

#[tokio::test]
async fn a_slow_leaf_does_not_delay_unrelated_chains() {
    let (open, gate) = tokio::sync::oneshot::channel::<()>();
    let log = Log::default();
    let app = app([
        module("slow", move |reg| {
            reg.setup("wait", move |_cx| async move { Ok(gate.await?) });
        }),
        noisy("data", &log, provide_u16),
        noisy("orders", &log, |reg| {
            reg.need::<u16>();
        }),
        // The last of the other chain lets the slow one go on: with a barrier this would not end.
        module("last", move |reg| {
            reg.need::<u16>();
            reg.setup("open", move |_cx| async move {
                let _ = open.send(());
                Ok(())
            });
        }),
    ]);
    start_and_stop(app).await.unwrap();
}

#[tokio::test]
async fn each_module_has_its_own_stages_in_order() {
    let log = Log::default();
    let say = |line: &'static str| {
        let log = log.clone();
        move || log.push(line)
    };
    let (make, setup, start, run, end, down, clean_a, clean_b) = (
        say("make"),
        say("setup"),
        say("start"),
        say("run"),
        say("end"),
        say("teardown"),
        say("clean-up of setup"),
        say("clean-up of run"),
    );
    let app = app([module("one", move |reg| {
        // Declared in no sensible order.
        reg.teardown("down", move |_cx| async move {
            down();
            Ok(())
        });
        reg.run("run", move |cx| async move {
            start();
            cx.defer("of-run", move || async move {
                clean_b();
                Ok(())
            });
            Ok(async move {
                run();
                cx.shutdown().await;
                end();
                Ok(())
            })
        });
        reg.setup("setup", move |cx| async move {
            cx.defer("of-setup", move || async move {
                clean_a();
                Ok(())
            });
            setup();
            Ok(())
        });
        reg.provide(move |_cx| async move {
            make();
            Ok(1_u8)
        });
    })]);
    let running = app.build().unwrap().start().await.unwrap();
    tokio::task::yield_now().await;
    running.stop(asked()).await.unwrap();
    assert_eq!(
        log.lines(),
        [
            "make",
            "setup",
            "start",
            "run",
            "end",
            "teardown",
            "clean-up of run",
            "clean-up of setup"
        ]
    );
}

#[tokio::test]
async fn two_applications_live_in_one_process() {
    let port = |n: u16| {
        app([module("data", move |reg| {
            reg.provide(move |_cx| async move { Ok(n) });
        })])
    };
    let a = port(1).build().unwrap().start().await.unwrap();
    let b = port(2).build().unwrap().start().await.unwrap();
    assert_eq!((a.get::<u16>().as_deref(), b.get::<u16>().as_deref()), (Some(&1), Some(&2)));
    a.stop(asked()).await.unwrap();
    assert_eq!(b.get::<u16>().as_deref(), Some(&2));
    b.stop(asked()).await.unwrap();
}
