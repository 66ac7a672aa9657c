//! What makes a plan, what keeps one from being made, and what it says of itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exports;
mod graph;
mod issues;
mod order;
mod values;

use framework_core::{BoxModule, Contribution, Order, Registrar, Unclaimed, module_fn};
use framework_registry::{Plan, PlanError};

/// A module of a name and what it declares.
#[track_caller]
fn module(
    name: &'static str,
    declare: impl FnOnce(&mut Registrar<'_>) + Send + 'static,
) -> BoxModule {
    BoxModule::new(module_fn(name, declare))
}

/// The message of the one issue that the modules have.
#[track_caller]
fn only_issue(modules: impl IntoIterator<Item = BoxModule>) -> String {
    let error = Plan::new(modules).expect_err("something is wrong");
    assert_eq!(error.issues().len(), 1, "{error}");
    without_lines(&error)
}

/// The message without line numbers, which change with every edit of these tests.
fn without_lines(error: &PlanError) -> String {
    let mut text = error.to_string();
    while let Some(at) = text.find(".rs:") {
        let digits = text[at + 4..].chars().take_while(char::is_ascii_digit).count();
        text.replace_range(at + 3..at + 4 + digits, "");
    }
    text
}

struct Page;

impl Contribution for Page {
    const KIND: &'static str = "pages";
    const ORDER: Order = Order::CollectorLast;
}

struct Section;

impl Contribution for Section {
    const KIND: &'static str = "sections";
    const ORDER: Order = Order::CollectorFirst;
}

struct Gauge;

impl Contribution for Gauge {
    const KIND: &'static str = "gauges";
    const ORDER: Order = Order::Independent;
    const UNCLAIMED: Unclaimed = Unclaimed::Ignore;
}
