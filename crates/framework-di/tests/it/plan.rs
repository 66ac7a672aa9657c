use std::sync::Arc;

use framework_core::{BoxModule, module_fn};
use framework_di::{All, InjectExt, Lazy, Scoped};
use framework_registry::Plan;

use crate::app::plan;

struct Tenant;

fn issues(register: impl FnOnce(&mut framework_core::Registrar<'_>) + Send + 'static) -> String {
    plan(register).unwrap_err().to_string()
}

#[test]
fn a_singleton_that_would_keep_a_scoped_value_is_refused_through_transients_too() {
    let found = issues(|reg| {
        reg.scoped(|| Tenant);
        reg.transient(|_: Arc<Tenant>| 1_u8);
        reg.inject(|_: Arc<u8>| 1_u16);
    });
    assert!(found.contains("singleton `u16` would keep a scoped `Tenant` alive"), "{found}");
}

#[test]
fn a_singleton_may_keep_the_means_to_open_scopes() {
    assert!(
        plan(|reg| {
            reg.scoped(|| Tenant);
            reg.inject(|_: Scoped<Tenant>| 1_u8);
        })
        .is_ok()
    );
}

#[test]
fn what_scoped_values_lack_is_found_before_anything_starts() {
    let found = issues(|reg| {
        reg.scoped(|_: Arc<u8>, _: Lazy<u16>| 1_u32);
        reg.decorate(|inner: Arc<u32>, _: Arc<u64>| inner);
        reg.inject(|_: Scoped<Tenant>| 1_i8);
    });
    for missing in ["u8", "u16", "u64", "Tenant"] {
        assert!(found.contains(&format!("nothing provides `{missing}`")), "{found}");
    }
}

#[test]
fn a_cycle_of_scoped_values_is_refused() {
    struct A;
    struct B;
    let found = issues(|reg| {
        reg.scoped(|_: Arc<B>| A);
        reg.scoped(|_: Arc<A>| B);
    });
    assert!(found.contains("form a cycle"), "{found}");
}

#[test]
fn an_issue_names_the_line_that_registered_the_constructor() {
    let line = line!() + 2;
    let found = issues(|reg| {
        reg.inject(|_: (Arc<u8>, All<u16>)| 1_u32);
    });
    assert!(found.contains(&format!("tests/it/plan.rs:{line}")), "{found}");
}

#[test]
fn what_constructors_take_orders_the_modules() {
    let plan = Plan::new([
        BoxModule::new(module_fn("orders", |reg| {
            reg.inject(|_: Arc<Tenant>| 1_u8);
        })),
        BoxModule::new(module_fn("tenants", |reg| {
            reg.inject(|| Tenant);
        })),
    ])
    .unwrap();
    let shown = plan.to_string();
    assert!(shown.contains("orders after tenants (needs `Tenant`)"), "{shown}");
}
