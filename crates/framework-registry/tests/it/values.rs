use std::sync::Arc;

use framework_core::{Lifetime, NeedMode, ProviderSpec};

use super::*;

struct PriceCache;
struct PriceLoader;
struct CurrentTenant;
struct Prices;

fn on_demand<T: Send + Sync + 'static, N: Send + Sync + 'static>(
    reg: &mut Registrar<'_>,
    spec: ProviderSpec,
    declare: impl FnOnce(&mut Registrar<'_>) -> N,
) {
    reg.provide_on_demand::<T, N, ()>(spec, declare, |_needs| ());
}

fn catalog(mode: NeedMode) -> BoxModule {
    module("catalog", move |reg| {
        reg.provide_with::<PriceCache, _, _, _>(
            ProviderSpec::singleton(),
            |reg| reg.need::<PriceLoader>(),
            |_cx, _| async { Ok(Arc::new(PriceCache)) },
        );
        on_demand::<PriceLoader, _>(reg, ProviderSpec::transient(), move |reg| {
            reg.need_with::<CurrentTenant>(None, mode)
        });
    })
}

fn tenancy() -> BoxModule {
    module("tenancy", |reg| on_demand::<CurrentTenant, _>(reg, ProviderSpec::scoped(), |_reg| ()))
}

#[test]
fn a_singleton_that_would_keep_a_scoped_value_is_refused_with_the_whole_path() {
    let message = only_issue([catalog(NeedMode::Required), tenancy()]);
    assert_eq!(
        message,
        "error[E0311]: singleton `PriceCache` would keep a scoped `CurrentTenant` alive

    PriceCache            singleton   catalog   crates/framework-registry/tests/it/values.rs
     └ PriceLoader        transient   catalog   crates/framework-registry/tests/it/values.rs
        └ CurrentTenant   scoped      tenancy   crates/framework-registry/tests/it/values.rs

help: take `ScopeFactory` in `PriceCache` and open a scope for each piece of work, or make `PriceCache` scoped
"
    );
    for mode in [NeedMode::Lazy, NeedMode::Optional, NeedMode::All] {
        let error = Plan::new([catalog(mode), tenancy()]).unwrap_err();
        assert_eq!(error.issues()[0].code().id, "E0311", "{mode:?} does not weaken the rule");
    }
    assert!(Plan::new([catalog(NeedMode::InScope), tenancy()]).is_ok());
}

#[test]
fn module_code_cannot_read_a_scoped_value() {
    let message = only_issue([
        tenancy(),
        module("orders", |reg| {
            reg.need::<CurrentTenant>();
        }),
    ]);
    assert!(
        message.starts_with(
            "error[E0312]: `orders` needs the scoped `CurrentTenant` outside a scope\n"
        ),
        "{message}"
    );
}

#[test]
fn a_replaced_value_is_not_made_and_what_it_took_is_not_needed() {
    let real = module("real", |reg| {
        reg.provide_with::<Prices, _, _, _>(
            ProviderSpec::singleton(),
            |reg| reg.need::<i128>(),
            |_cx, _| async { Ok(Arc::new(Prices)) },
        );
    });
    let fake = module("fake", |reg| {
        let spec = ProviderSpec::singleton().replacement();
        reg.provide_with::<Prices, _, _, _>(spec, |_| (), |_cx, ()| async { Ok(Arc::new(Prices)) });
    });
    let plan = Plan::new([real, fake]).unwrap();
    assert_eq!(plan.to_string(), "real\nfake\n    Prices, as a replacement\n");
    let constructs: Vec<_> =
        plan.modules().iter().map(|module| module.record.constructs.len()).collect();
    assert_eq!(constructs, [0, 1]);
}

#[test]
fn a_replacement_or_a_decorator_without_a_target_is_refused() {
    let message = only_issue([module("fake", |reg| {
        let spec = ProviderSpec::singleton().replacement();
        reg.provide_with::<Prices, _, _, _>(spec, |_| (), |_cx, ()| async { Ok(Arc::new(Prices)) });
    })]);
    assert!(message.starts_with("error[E0304]: `fake` replaces `Prices`"), "{message}");
    let message = only_issue([module("metrics", |reg| {
        reg.decorate_with::<Prices, _, _>(None, |_reg| (), |_cx, _scope, (), inner| Ok(inner));
    })]);
    assert!(message.starts_with("error[E0303]: `metrics` decorates `Prices`"), "{message}");
}

#[test]
fn what_a_decorator_needs_comes_before_what_it_decorates() {
    let plan = Plan::new([
        module("prices", |reg| {
            reg.provide(|_cx| async { Ok(Prices) });
        }),
        module("metrics", |reg| {
            reg.decorate_with::<Prices, _, _>(
                None,
                |reg| reg.need::<u64>(),
                |_cx, _, _, inner| Ok(inner),
            );
        }),
        module("clock", |reg| {
            reg.provide(|_cx| async { Ok(1_u64) });
        }),
    ]);
    assert_eq!(
        plan.unwrap().to_string(),
        "metrics\nclock\n    u64\nprices after clock (needs `u64`)\n    Prices, from u64\n"
    );
}

#[test]
fn values_of_a_module_are_made_in_the_order_of_what_they_take() {
    let plan = Plan::new([module("shop", |reg| {
        reg.provide_with::<u32, _, _, _>(
            ProviderSpec::singleton(),
            |reg| reg.need::<u16>(),
            |_cx, _| async { Ok(Arc::new(1)) },
        );
        // The singleton takes a transient, and the transient another singleton.
        on_demand::<u16, _>(reg, ProviderSpec::transient(), |reg| reg.need::<u8>());
        reg.provide(|_cx| async { Ok(1_u8) });
    })])
    .unwrap();
    assert_eq!(plan.to_string(), "shop\n    u8\n    u16, transient, from u8\n    u32, from u16\n");
}

#[test]
fn a_value_is_put_off_only_if_all_can_wait_for_it() {
    let deferred = |declare: fn(&mut Registrar<'_>)| {
        let plan = Plan::new([
            module("big", |reg| {
                reg.provide(|_cx| async { Ok(1_u64) });
            }),
            module("user", declare),
        ]);
        plan.unwrap().modules()[0].deferred[0]
    };
    assert!(!deferred(|_reg| ()), "nobody asked for that");
    assert!(deferred(|reg| drop(reg.need_lazy::<u64>())));
    assert!(!deferred(|reg| {
        reg.need_lazy::<u64>();
        reg.need::<u64>();
    }));

    let kept = Plan::new([
        module("big", |reg| {
            let own = reg.provide(|_cx| async { Ok(1_u64) });
            reg.setup("read", move |cx| async move {
                assert_eq!(*cx.get(&own), 1);
                Ok(())
            });
        }),
        module("user", |reg| drop(reg.need_lazy::<u64>())),
    ]);
    assert!(!kept.unwrap().modules()[0].deferred[0], "its own module may read it at any time");
}

#[test]
fn all_takes_named_values_and_members_in_the_order_of_registration() {
    let plan = Plan::new([
        module("reader", |reg| {
            reg.need_all::<u16>();
        }),
        module("one", |reg| {
            reg.provide_named::<u16, _, _>("one", |_cx| async { Ok(1.into()) });
        }),
        module("two", |reg| {
            let spec = ProviderSpec::singleton().member();
            for n in [2_u16, 3] {
                reg.provide_with(spec, |_| (), move |_cx, ()| async move { Ok(Arc::new(n)) });
            }
        }),
    ])
    .unwrap();
    assert_eq!(
        plan.to_string(),
        "one\n    u16 \"one\"\ntwo\n    u16\n    u16\n\
         reader after one (uses `u16 \"one\"`) and two (uses `u16`)\n"
    );
    assert_eq!(plan.graph().modules()[1].values[0].lifetime, Lifetime::Singleton);
}
