//! An application in which everything is wrong, to see that everything is told, and at once.

use std::sync::Arc;

use framework_app::{App, AppBuilder};
use framework_cli::{Console, Exit};
use framework_core::{Contribution, Module, Order, Registrar};
use framework_di::InjectExt as _;

/// What nobody collects.
struct Banner;

impl Contribution for Banner {
    const KIND: &'static str = "banners";
    const ORDER: Order = Order::CollectorFirst;
}

struct Clock;
struct Cart;
struct Invoices;
struct PriceCache;

struct Orders;

impl Module for Orders {
    fn name(&self) -> &'static str {
        "orders"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.requires::<Billing>();
        reg.scoped(|| Cart);
        reg.contribute(Banner);
    }
}

struct Billing;

impl Module for Billing {
    fn name(&self) -> &'static str {
        "billing"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.requires::<Orders>();
        reg.need::<Invoices>();
        reg.inject(|| Clock);
    }
}

struct Catalog;

impl Module for Catalog {
    fn name(&self) -> &'static str {
        "catalog"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.inject(|| Clock);
        reg.inject(|_: Arc<Cart>| PriceCache);
    }
}

fn app() -> AppBuilder {
    App::builder("broken").modules((Orders, Billing, Catalog))
}

fn check(args: &[&str]) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = ["broken", "check", "--set", "telemetry.log.levl=debug"].iter().chain(args);
    let exit = framework_cli::run(app(), args, &mut Console::to(&mut out, &mut err));
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place_its_cause_and_its_cure() {
    let (exit, out, err) = check(&[]);
    assert_eq!((exit, err.as_str()), (Exit::Invalid, ""));
    insta::assert_snapshot!(out);
}

#[test]
fn programs_are_told_the_same() {
    let (exit, out, _) = check(&["--json"]);
    assert_eq!(exit, Exit::Invalid);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    let codes: Vec<_> = told["problems"].as_array().unwrap().iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, ["E0302", "E0301", "E0105", "E0103", "E0311", "E0402"]);
    for problem in told["problems"].as_array().unwrap() {
        assert!(!problem["evidence"].as_array().unwrap().is_empty(), "{problem:#}");
    }
}
