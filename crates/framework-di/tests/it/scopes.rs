use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use framework_core::Chain;
use framework_di::{Inject, InjectError, InjectExt, Resolver, Scope, ScopeFactory, Scoped};

use crate::app::start;

struct Cart(Arc<Tenant>);

#[derive(Debug)]
struct Tenant(&'static str);

#[tokio::test]
async fn a_value_is_shared_within_its_scope_and_not_beyond() {
    let (app, tenant) = start(|reg| reg.scoped(|| Tenant("acme"))).await.unwrap();
    let (one, other) = (Scope::new(&app.cx), Scope::new(&app.cx));
    let value = one.get(&tenant).unwrap();
    assert!(Arc::ptr_eq(&value, &one.get(&tenant).unwrap()));
    assert!(!Arc::ptr_eq(&value, &other.get(&tenant).unwrap()));
}

#[tokio::test]
async fn a_scoped_value_takes_singletons_and_others_of_its_scope() {
    let (app, (tenant, cart, text)) = start(|reg| {
        reg.inject(|| 7_u8);
        let text = reg.scoped(|cart: Arc<Cart>, n: Arc<u8>| format!("{} {n}", cart.0.0));
        (reg.scoped(|| Tenant("acme")), reg.scoped(Cart), text)
    })
    .await
    .unwrap();
    let scope = Scope::new(&app.cx);
    assert_eq!(*scope.get(&text).unwrap(), "acme 7");
    assert!(Arc::ptr_eq(&scope.get(&cart).unwrap().0, &scope.get(&tenant).unwrap()));
}

#[test]
fn threads_that_share_a_scope_make_each_value_once() {
    const THREADS: usize = 8;
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (app, cart) = runtime
        .block_on(start(move |reg| {
            reg.scoped(move || {
                count.fetch_add(1, Ordering::Relaxed);
                thread::yield_now();
                Tenant("acme")
            });
            reg.scoped(Cart)
        }))
        .unwrap();
    for _ in 0..100 {
        made.store(0, Ordering::Relaxed);
        let (scope, barrier) = (Scope::new(&app.cx), Barrier::new(THREADS));
        thread::scope(|threads| {
            for _ in 0..THREADS {
                threads.spawn(|| {
                    barrier.wait();
                    scope.get(&cart).unwrap();
                });
            }
        });
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_singleton_opens_scopes_of_its_own() {
    struct Importer {
        scopes: ScopeFactory,
        tenant: Scoped<Tenant>,
    }

    let (app, ()) = start(|reg| {
        reg.scoped(|| Tenant("acme"));
        reg.inject(|scopes, tenant| Importer { scopes, tenant });
    })
    .await
    .unwrap();
    let importer = app.get::<Importer>();
    assert_eq!(importer.scopes.open().get(&importer.tenant).unwrap().0, "acme");
}

#[tokio::test]
async fn running_code_uses_the_scoped_values_of_others() {
    let (_app, ()) = start(|reg| {
        reg.scoped(|| Tenant("acme"));
        let tenant = reg.need_scoped::<Tenant>();
        reg.setup("use-it", move |cx| async move {
            assert_eq!(Scope::new(&cx).get(&tenant)?.0, "acme");
            Ok(())
        });
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_seed_is_put_in_once() {
    let (app, (tenant, cart)) =
        start(|reg| (reg.scope_seed::<Tenant>(), reg.scoped(Cart))).await.unwrap();
    let scope = Scope::new(&app.cx);
    let error = scope.get(&cart).err().unwrap();
    assert_eq!(
        Chain(&error).to_string(),
        "`Cart` of module `test` could not be made: `Tenant` was not put into the scope"
    );

    scope.insert(&tenant, Arc::new(Tenant("acme"))).unwrap();
    assert_eq!(scope.get(&cart).unwrap().0.0, "acme", "a value that failed is tried again");
    let again = scope.insert(&tenant, Arc::new(Tenant("other"))).unwrap_err();
    assert_eq!(again.to_string(), "`Tenant` is in the scope already");
    assert_eq!(scope.get(&cart).unwrap().0.0, "acme");
}

#[tokio::test]
async fn a_panic_in_a_scoped_constructor_is_an_error_and_the_scope_goes_on() {
    let calls = AtomicUsize::new(0);
    let calls = Arc::new(calls);
    let (app, tenant) = start(move |reg| {
        reg.scoped(move || match calls.fetch_add(1, Ordering::Relaxed) {
            0 => panic!("no tenant"),
            _ => Tenant("acme"),
        })
    })
    .await
    .unwrap();
    let scope = Scope::new(&app.cx);
    assert_eq!(
        Chain(&scope.get(&tenant).unwrap_err()).to_string(),
        "`Tenant` of module `test` could not be made: panicked: no tenant"
    );
    assert_eq!(scope.get(&tenant).unwrap().0, "acme");
}

#[tokio::test]
async fn a_scope_of_one_application_refuses_the_values_of_another() {
    let (app, one) = start(|reg| reg.scoped(|| Tenant("one"))).await.unwrap();
    let (_, other) = start(|reg| reg.scoped(|| Tenant("other"))).await.unwrap();
    let scope = Scope::new(&app.cx);
    scope.get(&one).unwrap();
    let error = scope.get(&other).unwrap_err();
    assert!(matches!(error, InjectError::OtherApplication { .. }), "{error}");
}

#[tokio::test]
async fn a_scope_shows_how_much_it_made() {
    let (app, tenant) = start(|reg| reg.scoped(|| Tenant("acme"))).await.unwrap();
    let scope = Scope::new(&app.cx);
    assert_eq!(format!("{scope:?}"), "Scope { made: 0, .. }");
    scope.get(&tenant).unwrap();
    assert_eq!(format!("{scope:?}"), "Scope { made: 1, .. }");
}

#[tokio::test]
async fn a_scoped_value_is_refused_where_there_is_no_scope() {
    let (app, needs) = start(|reg| {
        reg.scoped(|| Tenant("acme"));
        reg.transient(|tenant: Arc<Tenant>| tenant.0.len());
        Arc::<usize>::declare(reg)
    })
    .await
    .unwrap();
    let error = Arc::<usize>::resolve(&needs, &Resolver::new(&app.cx)).unwrap_err();
    assert_eq!(
        Chain(&error).to_string(),
        "`usize` of module `test` could not be made: `Tenant` lives in a scope, and was asked for \
         outside of one"
    );
    let scope = Scope::new(&app.cx);
    assert_eq!(*Arc::<usize>::resolve(&needs, &Resolver::within(&scope)).unwrap(), 4);
}
