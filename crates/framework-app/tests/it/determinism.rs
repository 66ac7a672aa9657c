use super::*;

/// A dozen modules with needs, contributions and more than one order that would do.
fn many(log: &Log) -> AppBuilder {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    app((0..NAMES.len()).map(|n| {
        noisy(NAMES[n], log, move |reg| {
            reg.provide_named::<u8, _, _>(NAMES[n], |_cx| async { Ok(1.into()) });
            reg.contribute(Gauge);
            if n > 3 {
                reg.need_named::<u8>(NAMES[(n * 7) % n]);
                reg.need_named::<u8>(NAMES[(n * 5) % n]);
            }
        })
    }))
}

#[tokio::test]
async fn a_thousand_starts_give_one_order_of_events() {
    async fn events() -> (Vec<String>, Vec<String>) {
        let log = Log::default();
        let running = many(&log).build().unwrap().start().await.unwrap();
        let lifecycle = running.lifecycle().clone();
        running.stop(asked()).await.unwrap();
        let what = |event: framework_core::LifecycleEvent| {
            // All but the times.
            let text = format!("{:?}", event.kind);
            text.split(", took").next().unwrap_or_default().to_owned()
        };
        (log.lines(), lifecycle.events().into_iter().map(what).collect())
    }
    let first = events().await;
    assert_eq!(first.0.len(), 24);
    for _ in 0..1000 {
        assert_eq!(events().await, first);
    }
}
