use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use framework_di::{InjectExt, Lazy};

use crate::app::start;

struct Big;

struct User {
    big: Lazy<Big>,
}

#[tokio::test]
async fn a_lazy_value_is_made_once_when_it_is_wanted_and_waiters_share_it() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let (app, ()) = start(move |reg| {
        reg.inject(|big| User { big });
        reg.inject_async(async move || -> Result<Big, std::fmt::Error> {
            tokio::task::yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Big)
        });
    })
    .await
    .unwrap();
    let user = app.get::<User>();
    assert_eq!(made.load(Ordering::Relaxed), 0);
    assert!(user.big.get_if_made().is_none());
    let (a, b) = tokio::join!(user.big.get(), user.big.get());
    assert!(Arc::ptr_eq(&a.unwrap(), &b.unwrap()));
    assert_eq!(made.load(Ordering::Relaxed), 1);
    assert!(user.big.get_if_made().is_some());
}

#[tokio::test]
async fn a_lazy_value_that_fails_tells_each_who_asks() {
    let (app, ()) = start(|reg| {
        reg.inject(|big| User { big });
        reg.try_inject(|| -> Result<Big, &str> { Err("too big") });
    })
    .await
    .unwrap();
    for _ in 0..2 {
        let error = app.get::<User>().big.get().await.err().unwrap();
        assert_eq!(error.to_string(), "`Big` could not be made: too big");
    }
}

#[tokio::test]
async fn two_values_need_each_other_if_one_is_lazy() {
    struct Chicken(Lazy<Egg>);
    struct Egg(#[expect(dead_code, reason = "it is there to be needed")] Arc<Chicken>);

    let (app, ()) = start(|reg| {
        reg.inject(Chicken);
        reg.inject(Egg);
    })
    .await
    .unwrap();
    assert!(app.get::<Chicken>().0.get().await.is_ok());
}

#[tokio::test]
async fn lazy_refuses_what_is_made_on_demand_anyway() {
    let started = start(|reg| {
        reg.transient(|| Big);
        reg.inject(|big| User { big });
    });
    assert_eq!(
        started.await.unwrap_err().to_string(),
        "`Big` is transient, and `Lazy` is for singletons: take the `Arc`"
    );
}
