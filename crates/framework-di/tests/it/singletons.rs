use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use framework_core::{Chain, Context};
use framework_di::{All, Inject, InjectExt, Name, Named, Resolver};

use crate::app::{plan, start};

struct Pool(&'static str);

struct Orders(Arc<Pool>);

struct Replica;

impl Name for Replica {
    const NAME: &'static str = "replica";
}

#[tokio::test]
async fn a_constructor_is_given_what_it_takes_whatever_the_order() {
    let (app, orders) = start(|reg| {
        let orders = reg.inject(Orders);
        reg.inject(|| Pool("main"));
        orders
    })
    .await
    .unwrap();
    assert_eq!(app.cx.get(&orders).0.0, "main");
    assert!(Arc::ptr_eq(&app.get::<Orders>().0, &app.get::<Pool>()));
}

#[tokio::test]
async fn a_singleton_is_made_once_for_all() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let (_app, ()) = start(move |reg| {
        reg.inject(move || {
            count.fetch_add(1, Ordering::Relaxed);
            Pool("main")
        });
        reg.inject(Orders);
        reg.inject(|_: Arc<Pool>, _: Arc<Orders>| 1_u8);
    })
    .await
    .unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_constructor_takes_twelve_arguments() {
    let (app, ()) = start(|reg| {
        reg.inject(|| 1_u64);
        reg.inject(
            |a: Arc<u64>,
             b: Arc<u64>,
             c: Arc<u64>,
             d: Arc<u64>,
             e: Arc<u64>,
             f: Arc<u64>,
             g: Arc<u64>,
             h: Arc<u64>,
             i: Arc<u64>,
             j: Arc<u64>,
             k: Arc<u64>,
             l: Arc<u64>| {
                (*a + *b + *c + *d + *e + *f + *g + *h + *i + *j + *k + *l).to_string()
            },
        );
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<String>(), "12");
}

#[tokio::test]
async fn a_value_without_a_provider_is_none() {
    let (app, ()) = start(|reg| {
        reg.inject(|| 1_u8);
        reg.inject(|there: Option<Arc<u8>>, absent: Option<Arc<u16>>| {
            (there.is_some(), absent.is_some())
        });
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<(bool, bool)>(), (true, false));
}

#[tokio::test]
async fn a_named_value_stands_beside_the_one_without_a_name() {
    let (app, ()) = start(|reg| {
        reg.inject(|| Pool("main"));
        reg.inject_named(Replica, || Pool("replica"));
        reg.inject(|main: Arc<Pool>, replica: Named<Pool, Replica>| [main.0, replica.0]);
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<[&str; 2]>(), ["main", "replica"]);
}

#[tokio::test]
async fn all_values_of_a_type_come_in_the_order_of_registration() {
    let (app, ()) = start(|reg| {
        reg.inject(|all: All<Pool>| all.iter().map(|pool| pool.0).collect::<Vec<_>>());
        reg.member(|| Pool("first"));
        reg.inject(|| Pool("the one"));
        reg.member(|| Pool("third"));
        reg.inject_named(Replica, || Pool("named"));
        reg.inject(|none: All<Replica>| none.len());
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<Vec<&str>>(), ["first", "the one", "third", "named"]);
    assert_eq!(*app.get::<usize>(), 0);
}

#[tokio::test]
async fn a_member_is_known_in_no_other_way() {
    let (app, ()) = start(|reg| reg.member(|| 1_u8)).await.unwrap();
    assert_eq!(app.find::<u8>(), None);
}

#[tokio::test]
async fn a_replacement_takes_the_place_of_a_value_that_is_never_made() {
    let (app, ()) = start(|reg| {
        reg.replace(|| Pool("fake"));
        reg.inject(|| -> Pool { panic!("the replaced value is made") });
        reg.inject(Orders);
    })
    .await
    .unwrap();
    assert_eq!(app.get::<Orders>().0.0, "fake");
}

#[tokio::test]
async fn a_constructor_returns_an_arc_of_a_trait_object() {
    let (app, ()) = start(|reg| {
        reg.inject_arc(|| -> Arc<dyn fmt::Display + Send + Sync> { Arc::new(7) });
        reg.inject(|shown: Arc<dyn fmt::Display + Send + Sync>| shown.to_string());
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<String>(), "7");
}

#[tokio::test]
async fn a_constructor_may_take_the_context_and_tuples() {
    let (app, ()) = start(|reg| {
        reg.inject(|| 3_u8);
        reg.inject(|cx: Context, (number, none): (Arc<u8>, Option<Arc<u16>>)| {
            format!("{} {number} {none:?}", cx.module())
        });
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<String>(), "test 3 None");
}

#[tokio::test]
async fn an_async_constructor_is_awaited() {
    async fn open(pool: Arc<Pool>) -> Result<Orders, fmt::Error> {
        tokio::task::yield_now().await;
        Ok(Orders(pool))
    }

    let (app, ()) = start(|reg| {
        reg.inject_async(open);
        reg.inject_async(async || -> Result<Pool, fmt::Error> { Ok(Pool("async")) });
    })
    .await
    .unwrap();
    assert_eq!(app.get::<Orders>().0.0, "async");
}

#[derive(Debug, thiserror::Error)]
#[error("cannot connect to `db.internal`")]
struct ConnectError(#[source] fmt::Error);

#[tokio::test]
async fn the_error_of_a_constructor_comes_out_as_it_is() {
    let sync = start(|reg| {
        reg.try_inject(|| -> Result<Pool, _> { Err(ConnectError(fmt::Error)) });
    });
    let late = start(|reg| {
        reg.inject_async(async || -> Result<Pool, _> { Err(ConnectError(fmt::Error)) });
    });
    for error in [sync.await.unwrap_err(), late.await.unwrap_err()] {
        assert!(error.is::<ConnectError>());
        assert!(Chain(error.as_ref()).to_string().starts_with("cannot connect to `db.internal`: "));
    }
}

#[tokio::test]
async fn a_panic_in_a_constructor_is_an_error() {
    let started = start(|reg| {
        reg.inject(|| -> Pool { panic!("no address") });
    });
    assert_eq!(started.await.unwrap_err().to_string(), "panicked: no address");
}

#[test]
fn a_value_whose_module_is_not_running_is_absent() {
    let (to, needs) = mpsc::channel();
    let planned = plan(move |reg| {
        reg.inject(|| Pool("main"));
        to.send(<(Arc<Pool>, Option<Arc<Pool>>)>::declare(reg)).unwrap();
    });
    assert!(planned.is_ok());
    let (required, optional) = needs.recv().unwrap();
    let cx = Context::new("test", Default::default());
    let from = Resolver::new(&cx);
    let error = Arc::resolve(&required, &from).err().unwrap();
    assert_eq!(error.to_string(), "`Pool` has no value: its module is not running");
    assert!(Option::<Arc<Pool>>::resolve(&optional, &from).unwrap().is_none());
}
