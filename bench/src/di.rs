use std::{
    hint::black_box,
    sync::{Arc, Mutex},
};

use framework_app::App;
use framework_core::{Context, ShutdownReason, module_fn};
use framework_di::{Inject, InjectExt, Provide, Scope, Scoped};

use crate::measure::{Row, median, nanos_each};

const CALLS: u32 = 200_000;
const ROUNDS: usize = 41;

#[derive(Debug)]
struct Catalog;

/// A state as handlers have it: `Dep<Catalog>` takes its value out of one.
#[derive(Clone, Inject)]
struct State {
    catalog: Arc<Catalog>,
}

/// A scoped service, made from a singleton.
#[derive(Debug)]
struct Cart {
    catalog: Arc<Catalog>,
}

impl Cart {
    fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }
}

/// What the benchmark needs of the running application.
type Found = (Context, State, Scoped<Cart>);

/// What a request pays: a singleton, and a scoped service.
pub(crate) fn run() -> Vec<Row> {
    let found: Arc<Mutex<Option<Found>>> = Arc::default();
    let to = Arc::clone(&found);
    let shop = module_fn("shop", move |reg| {
        reg.inject(|| Catalog);
        let cart = reg.scoped(Cart::new);
        let state = reg.inject(|catalog: Arc<Catalog>| State { catalog });
        reg.setup("hand-over", move |cx| async move {
            let state = State::clone(&cx.get(&state));
            *to.lock().expect("nothing panics here") = Some((cx, state, cart));
            Ok(())
        });
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("the machine has threads left");
    runtime.block_on(async {
        let app = App::builder("bench").module(shop).build().expect("the modules fit");
        let running = app.start().await.expect("nothing can fail");
        let found = found.lock().expect("nothing panics here").take();
        let (cx, state, cart) = found.expect("the setup has run");
        let rows = measure(&cx, &state, &cart);
        drop((cx, state));
        let stop = ShutdownReason::Requested("measured".to_owned());
        running.stop(stop).await.expect("nothing can fail");
        rows
    })
}

fn measure(cx: &Context, state: &State, cart: &Scoped<Cart>) -> Vec<Row> {
    let (mut clone, mut dep, mut bare, mut scoped) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        clone.push(nanos_each(CALLS, || drop(black_box(Arc::clone(black_box(&state.catalog))))));
        dep.push(nanos_each(CALLS, || {
            let found: &Arc<Catalog> = black_box(state).provide();
            drop(black_box(Arc::clone(found)));
        }));
        bare.push(nanos_each(CALLS, || {
            let cart = Arc::new(Cart::new(Arc::clone(black_box(&state.catalog))));
            black_box(&cart.catalog);
        }));
        scoped.push(nanos_each(CALLS, || {
            let scope = Scope::new(cx);
            let cart = scope.get(black_box(cart)).expect("its constructor cannot fail");
            black_box(&cart.catalog);
        }));
    }
    let (clone, dep) = (median(clone), median(dep));
    let (bare, scoped) = (median(bare), median(scoped));
    vec![
        Row {
            what: "singleton through `Dep`, beside an `Arc` clone".to_owned(),
            measured: format!("{:.2} × ({dep:.1} ns)", dep / clone),
            value: dep / clone,
            at_most: 1.5,
        },
        Row {
            what: "scoped service over constructing it, in ns".to_owned(),
            measured: format!("{:.0}", scoped - bare),
            value: scoped - bare,
            at_most: 100.0,
        },
    ]
}
