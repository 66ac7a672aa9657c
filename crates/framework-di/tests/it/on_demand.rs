use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use framework_di::{InjectExt, Scope};

use crate::app::start;

struct Ticket(u8);

fn tickets() -> impl FnOnce() -> Ticket + Clone + Send + Sync + 'static {
    let next = Arc::new(AtomicU8::new(1));
    move || Ticket(next.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test]
async fn a_transient_value_is_made_anew_for_each_that_takes_it() {
    let (app, ()) = start(|reg| {
        reg.transient(tickets());
        reg.inject(|a: Arc<Ticket>, b: Arc<Ticket>| [a.0, b.0]);
        reg.inject(|c: Option<Arc<Ticket>>| c.map_or(0, |c| c.0));
    })
    .await
    .unwrap();
    let [a, b] = *app.get::<[u8; 2]>();
    let mut all = [a, b, *app.get::<u8>()];
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3]);
}

#[tokio::test]
async fn a_transient_value_in_a_scope_sees_the_scope() {
    let (app, (seed, text)) = start(|reg| {
        let seed = reg.scope_seed::<u8>();
        reg.transient(|n: Arc<u8>| Ticket(*n));
        (seed, reg.scoped(|ticket: Arc<Ticket>| format!("no. {}", ticket.0)))
    })
    .await
    .unwrap();
    let scope = Scope::new(&app.cx);
    scope.insert(&seed, Arc::new(5)).unwrap();
    assert_eq!(*scope.get(&text).unwrap(), "no. 5");
}

#[tokio::test]
async fn a_transient_that_fails_says_so_to_whoever_takes_it() {
    let started = start(|reg| {
        reg.try_transient(|| -> Result<Ticket, &str> { Err("sold out") });
        reg.inject(|ticket: Arc<Ticket>| ticket.0);
    });
    let error = started.await.unwrap_err();
    assert_eq!(
        framework_core::Chain(error.as_ref()).to_string(),
        "`Ticket` of module `test` could not be made: sold out"
    );
}

#[tokio::test]
async fn a_value_on_demand_replaces_another_on_demand_in_either_order() {
    for first in [true, false] {
        let (app, ticket) = start(move |reg| {
            let replace = |reg: &mut framework_core::Registrar<'_>| {
                reg.replacing().scoped(|| Ticket(2));
            };
            first.then(|| replace(reg));
            let ticket = reg.scoped(|| Ticket(1));
            (!first).then(|| replace(reg));
            ticket
        })
        .await
        .unwrap();
        assert_eq!(Scope::new(&app.cx).get(&ticket).unwrap().0, 2, "replaced first: {first}");
    }
}

#[tokio::test]
async fn a_singleton_replaces_a_scoped_value() {
    let (app, ticket) = start(|reg| {
        reg.replace(|| Ticket(2));
        reg.scoped(|| Ticket(1))
    })
    .await
    .unwrap();
    assert_eq!(Scope::new(&app.cx).get(&ticket).unwrap().0, 2);
}
