use framework_core::NeedMode;

use super::*;

trait Clock: Send + Sync {
    fn now(&self) -> u64;
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> u64 {
        12
    }
}

#[tokio::test]
async fn a_trait_object_can_stand_in_for_the_real_thing() {
    let log = Log::default();
    let seen = log.clone();
    let app = app([
        module("report", move |reg| {
            let clock = reg.need::<dyn Clock>();
            reg.setup("say", move |cx| async move {
                seen.push(cx.get(&clock).now().to_string());
                Ok(())
            });
        }),
        module("fake-clock", |reg| {
            reg.provide_arc(|_cx| async { Ok(Arc::new(Noon) as Arc<dyn Clock>) });
        }),
    ]);
    start_and_stop(app).await.unwrap();
    assert_eq!(log.lines(), ["12"]);
}

#[tokio::test]
async fn values_are_dropped_in_the_reverse_order_of_their_making() {
    struct Loud(&'static str, Log);
    impl Drop for Loud {
        fn drop(&mut self) {
            self.1.push(self.0);
        }
    }
    let log = Log::default();
    let (a, b) = (log.clone(), log.clone());
    let one = app([
        module("data", move |reg| {
            reg.provide_named::<Loud, _, _>("pool", move |_cx| async {
                Ok(Loud("pool", a).into())
            });
        }),
        module("orders", move |reg| {
            reg.need_named::<Loud>("pool");
            reg.provide_named::<Loud, _, _>("stock", move |_cx| async {
                Ok(Loud("stock", b).into())
            });
        }),
    ]);
    start_and_stop(one).await.unwrap();
    assert_eq!(log.lines(), ["stock", "pool"]);
}

#[tokio::test]
async fn a_value_that_panics_when_dropped_does_not_keep_the_others() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("this test panics on purpose");
        }
    }
    let log = Log::default();
    let modules = [
        noisy("data", &log, |_reg| ()),
        module("bomb", |reg| {
            reg.provide(|_cx| async { Ok(Bomb) });
        }),
    ];
    let error = start_and_stop(app(modules)).await.unwrap_err();
    assert_eq!(
        error.to_string().lines().next(),
        Some("error[E0211]: `bomb` failed to stop: dropping `Bomb`")
    );
    assert_eq!(log.lines(), ["+data", "-data"]);
}

#[tokio::test]
async fn a_value_that_all_can_wait_for_is_made_on_first_use() {
    let log = Log::default();
    let made = log.clone();
    let app = app([
        module("big", move |reg| {
            reg.provide(move |_cx| async move {
                made.push("made");
                Ok(7_u64)
            });
        }),
        module("user", |reg| {
            let big = reg.need_with::<u64>(None, NeedMode::Lazy);
            reg.provide(move |_cx| async move { Ok(big) });
        }),
    ]);
    let running = app.build().unwrap().start().await.unwrap();
    assert_eq!(log.lines(), Vec::<String>::new());
    let slot = running.get::<Arc<framework_core::Slot<u64>>>().unwrap();
    assert_eq!(*slot.resolve().await.unwrap(), 7);
    assert_eq!(log.lines(), ["made"]);
    running.stop(asked()).await.unwrap();
    assert!(slot.get().is_none(), "its module let go of it");
}
