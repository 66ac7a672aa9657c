use framework_core::{Issue, Module};
use framework_registry::codes;

use super::*;

const HERE: &str = "crates/framework-registry/tests/it/issues.rs";

struct Infrastructure;

impl Module for Infrastructure {
    fn name(&self) -> &'static str {
        "infra"
    }

    fn register(self, _reg: &mut Registrar<'_>) {}
}

#[test]
fn a_cycle_is_shown_edge_by_edge_with_its_reasons() {
    struct StockApi;
    struct Billing;
    impl Module for Billing {
        fn name(&self) -> &'static str {
            "billing"
        }
        fn register(self, reg: &mut Registrar<'_>) {
            reg.requires::<Orders>();
        }
    }
    struct Orders;
    impl Module for Orders {
        fn name(&self) -> &'static str {
            "orders"
        }
        fn register(self, reg: &mut Registrar<'_>) {
            reg.need::<StockApi>();
        }
    }
    let message = only_issue([
        BoxModule::new(Billing),
        BoxModule::new(Orders),
        module("inventory", |reg| {
            reg.after::<Billing>();
            reg.provide(|_cx| async { Ok(StockApi) });
        }),
    ]);
    assert_eq!(
        message,
        format!(
            "error[E0103]: 3 modules form a cycle

    ┌─> billing
    │     requires `orders`   {HERE}
    │   orders
    │     needs `StockApi`    {HERE}   (provided by inventory)
    │   inventory
    └──   after `billing`     {HERE}

help: an `after` edge is the weakest one here; remove it, or let `inventory` subscribe to an event of `billing`
"
        )
    );
}

#[test]
fn values_of_one_module_that_take_one_another_are_a_cycle_unless_one_is_lazy() {
    struct A;
    struct B;
    let stock = |lazy: bool| {
        module("stock", move |reg| {
            reg.provide_with::<A, _, _, _>(
                framework_core::ProviderSpec::singleton(),
                |reg| reg.need::<B>(),
                |_cx, _| async { Ok(A.into()) },
            );
            reg.provide_with::<B, _, _, _>(
                framework_core::ProviderSpec::singleton(),
                move |reg| if lazy { reg.need_lazy::<A>() } else { reg.need::<A>() },
                |_cx, _| async { Ok(B.into()) },
            );
        })
    };
    assert_eq!(
        only_issue([stock(false)]),
        format!(
            "error[E0104]: 2 values form a cycle

    ┌─> A
    │     takes `B`   {HERE}
    │   B
    └──   takes `A`   {HERE}

help: take `Lazy<A>` in one of them, and read it when it is wanted
"
        )
    );
    assert_eq!(
        Plan::new([stock(true)]).unwrap().to_string(),
        "stock\n    B, from A\n    A, on first use, from B\n"
    );
}

#[test]
fn what_nobody_provides_is_named_with_who_wants_it_and_what_is_near() {
    struct StockRepository;
    struct StockRepositry;
    let message = only_issue([
        module("orders", |reg| {
            reg.need::<StockRepository>();
        }),
        module("stock", |reg| {
            reg.provide(|_cx| async { Ok(StockRepositry) });
        }),
    ]);
    assert_eq!(
        message,
        format!(
            "error[E0301]: nothing provides `StockRepository`

    needed by `orders`   {HERE}

help: did you mean `StockRepositry`, provided by `stock`?
"
        )
    );
    let named = only_issue([
        module("orders", |reg| {
            reg.need_named::<u16>("main");
        }),
        module("stock", |reg| {
            reg.provide_named::<u16, _, _>("replica", |_cx| async { Ok(1.into()) });
        }),
    ]);
    assert!(named.ends_with("help: there is `u16 \"replica\"`, provided by `stock`\n"), "{named}");
}

#[test]
fn a_second_provider_is_refused_and_both_are_named() {
    let message = only_issue([
        module("a", |reg| {
            reg.provide(|_cx| async { Ok(1_u16) });
        }),
        module("b", |reg| {
            reg.provide(|_cx| async { Ok(2_u16) });
        }),
    ]);
    assert_eq!(
        message,
        format!(
            "error[E0302]: `u16` has 2 providers

    provided by `a`   {HERE}
    provided by `b`   {HERE}

help: remove one, name them, or let one take the other's place with `reg.replace(…)`; where all are wanted, use `reg.member(…)` and take `All<u16>`
"
        )
    );
}

#[test]
fn what_nobody_collects_is_refused_unless_its_kind_says_otherwise() {
    let message = only_issue([module("orders", |reg| {
        reg.contribute(Page);
        reg.contribute(Gauge);
    })]);
    assert_eq!(
        message,
        format!(
            "error[E0105]: no module collects pages

    contributed by `orders`   {HERE}

help: add the module that collects pages, or contribute none
"
        )
    );
}

#[test]
fn a_required_module_that_is_not_there_is_named_with_the_nearest() {
    struct Infra;
    impl Module for Infra {
        fn name(&self) -> &'static str {
            "never"
        }
        fn register(self, _reg: &mut Registrar<'_>) {}
    }
    let message = only_issue([module("orders", |reg| reg.requires::<Infra>())]);
    assert!(message.contains("`orders` requires `Infra`, which is not there"), "{message}");
    struct Infrastructurf;
    impl Module for Infrastructurf {
        fn name(&self) -> &'static str {
            "never"
        }
        fn register(self, _reg: &mut Registrar<'_>) {}
    }
    let message = only_issue([
        module("orders", |reg| reg.requires::<Infrastructurf>()),
        BoxModule::new(Infrastructure),
    ]);
    assert!(message.contains("help: `infra` is a `Infrastructure`: is that the one?"), "{message}");
}

#[test]
fn every_issue_is_found_at_once() {
    let error = Plan::new([
        module("a", |reg| {
            reg.need::<u16>();
            reg.provide(|_cx| async { Ok('a') });
        }),
        module("b", |reg| {
            reg.need::<char>();
            reg.provide(|_cx| async { Ok("b") });
            reg.contribute(Page);
        }),
        module("c", |reg| {
            reg.need::<&'static str>();
            reg.provide(|_cx| async { Ok(80_u16) });
        }),
        module("c", |reg| {
            reg.need::<i8>();
        }),
        module("Shouting", |_reg| panic!("a bad argument")),
        module("gated", |reg| {
            reg.gate("fine", |view| {
                assert_eq!(view.modules().count(), 6);
                vec![Issue::new(&codes::CONFLICT, "found by a gate")]
            });
            reg.gate("broken", |_view| panic!("a bad gate"));
        }),
    ])
    .unwrap_err();
    let codes: Vec<_> = error.issues().iter().map(|issue| issue.code().id).collect();
    assert_eq!(
        codes,
        ["E0108", "E0101", "E0110", "E0301", "E0105", "E0103", "E0107", "E0109"],
        "{error}"
    );
}

#[test]
fn every_code_has_a_page_and_a_place_of_its_own() {
    let mut ids: Vec<_> = codes::CODES.iter().map(|code| code.id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), codes::CODES.len());
    for code in codes::CODES {
        assert!(code.page.len() > 150, "{} explains nothing", code.id);
        assert!(
            code.page.lines().all(|line| line.chars().count() <= 100),
            "{} is too wide",
            code.id
        );
    }
}
