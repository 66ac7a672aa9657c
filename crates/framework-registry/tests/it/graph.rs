use framework_core::Module;

use super::*;

struct Infra;

impl Module for Infra {
    fn name(&self) -> &'static str {
        "infra"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.version("1.4.0");
        reg.provide(|_cx| async { Ok(80_u16) });
    }
}

fn order_of(modules: impl IntoIterator<Item = BoxModule>) -> Vec<&'static str> {
    let plan = Plan::new(modules).unwrap();
    plan.graph().modules().iter().map(|module| module.name).collect()
}

#[test]
fn a_plan_says_who_waits_for_whom_and_why() {
    let plan = Plan::new([
        module("server", |reg| {
            reg.collect::<Page>();
            reg.contribute(Gauge);
        }),
        module("orders", |reg| {
            reg.need::<u16>();
            reg.contribute(Page);
            reg.contribute(Section);
        }),
        module("config", |reg| {
            reg.collect::<Section>();
        }),
        BoxModule::new(Infra),
    ]);
    assert_eq!(
        plan.unwrap().to_string(),
        "config\n\
         infra 1.4.0\n    u16\n\
         orders after config (contributes sections) and infra (needs `u16`)\n\
         server after orders (collects pages)\n",
    );
}

#[test]
fn modules_that_nothing_orders_keep_the_order_of_registration() {
    let names = ["d", "a", "c", "b"];
    assert_eq!(order_of(names.map(|name| module(name, |_reg| ()))), names);
}

#[test]
fn wants_conflicts_and_version_ranges_are_enforced() {
    let after = |reg: &mut Registrar<'_>| reg.after::<Infra>();
    assert_eq!(order_of([module("orders", after)]), ["orders"]);
    assert_eq!(order_of([module("orders", after), BoxModule::new(Infra)]), ["infra", "orders"]);

    let within = module("orders", |reg| reg.requires_version::<Infra>(">=1.2, <2"));
    assert_eq!(order_of([within, BoxModule::new(Infra)]), ["infra", "orders"]);

    let conflict =
        only_issue([module("orders", |reg| reg.conflicts::<Infra>()), BoxModule::new(Infra)]);
    assert_eq!(
        conflict,
        "error[E0107]: `orders` and `infra` cannot be in one application\n\n    \
         `orders` says so    crates/framework-registry/tests/it/graph.rs\n    \
         `infra` was added   crates/framework-registry/tests/it/graph.rs\n\n\
         help: remove one of the two\n",
    );

    let version = only_issue([
        module("orders", |reg| reg.requires_version::<Infra>("^2")),
        BoxModule::new(Infra),
    ]);
    assert!(
        version.starts_with("error[E0106]: `orders` requires `infra` ^2; `infra` is 1.4.0\n"),
        "{version}"
    );
}

#[test]
fn a_fake_stands_for_what_is_required() {
    let fake = module("fake-infra", |reg| reg.stands_for::<Infra>());
    let orders = module("orders", |reg| reg.requires::<Infra>());
    assert_eq!(order_of([orders, fake]), ["fake-infra", "orders"]);
}

#[test]
fn a_foundation_is_under_everything_that_it_does_not_rely_on() {
    let modules = || {
        [
            module("orders", |reg| {
                reg.need::<u16>();
            }),
            module("watch", |reg| {
                reg.foundation();
                reg.contribute(Section);
            }),
            module("console", |reg| reg.foundation()),
            module("config", |reg| {
                reg.collect::<Section>();
            }),
            BoxModule::new(Infra),
        ]
    };
    assert_eq!(order_of(modules()), ["config", "watch", "console", "infra", "orders"]);
    // Everyone waits for a foundation; the text does not repeat it.
    let text = Plan::new(modules()).unwrap().to_string();
    assert_eq!(
        text,
        "config\nwatch (foundation) after config (contributes sections)\nconsole (foundation)\n\
         infra 1.4.0\n    u16\norders after infra (needs `u16`)\n",
    );
}

#[test]
fn a_thousand_hash_seeds_give_one_plan_hash() {
    // Every map of the standard library takes another seed, so each round has its own.
    let hash = || {
        let modules = (0..20_u16).map(|n| {
            let name: &'static str = NAMES[usize::from(n)];
            module(name, move |reg| {
                reg.provide_named::<u16, _, _>(name, |_cx| async { Ok(1.into()) });
                if n > 3 {
                    reg.need_named::<u16>(NAMES[usize::from(n / 2)]);
                    reg.need_named::<u16>(NAMES[usize::from(n - 1)]);
                }
                reg.contribute(Gauge);
                reg.shared::<Vec<u8>>().push(1);
            })
        });
        Plan::new(modules).unwrap().graph().hash()
    };
    let first = hash();
    for _ in 0..1000 {
        assert_eq!(hash(), first);
    }
    const NAMES: [&str; 20] = [
        "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13",
        "m14", "m15", "m16", "m17", "m18", "m19",
    ];
}
