use std::sync::Arc;

use framework::prelude::*;
use shop::{
    infra::WriteTx,
    ordering::{Order, OrderEvents, Recorded},
};

/// The shop's own part of the plan: what the layers bring along is theirs to test.
fn own(plan: &str) -> String {
    let mut shown = false;
    let own = plan.lines().filter(|line| {
        if !line.starts_with(' ') {
            let module = line.split(' ').next().unwrap_or_default();
            shown = ["infra", "catalog", "ordering"].contains(&module);
        }
        shown
    });
    own.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_application_is_wired() {
    let plan = shop::app().plan().expect("every need is met");
    insta::assert_snapshot!(own(&plan.to_string()), @"
    infra after config (contributes configuration sections, contributes readers of the configuration)
        Database
    catalog after config (contributes configuration sections, contributes readers of the configuration) and infra (needs `Database`, contributes migrations)
        Categories, from Database
        Products, from Database
        Inventory
    ordering after config (contributes configuration sections, contributes readers of the configuration) and infra (needs `Database`, contributes migrations) and catalog (needs `Inventory`)
        Orders, from Database, Inventory
    ");
}

/// Something that wants to know of orders.
struct Nobody;

impl OrderEvents for Nobody {
    fn placed<'a>(&'a self, _tx: &'a mut WriteTx, _order: &'a Order) -> Recorded<'a> {
        Box::pin(async { Ok(()) })
    }
}

#[test]
fn a_module_that_wants_to_know_of_orders_only_has_to_be_there() {
    let outbox = module_fn("outbox", |reg| {
        reg.provide_value::<dyn OrderEvents>(Arc::new(Nobody));
    });
    let plan = shop::app().module(outbox).plan().expect("every need is met").to_string();
    assert!(plan.contains("Orders, from Database, Inventory, dyn OrderEvents"), "{plan}");
}
