//! Modules start in the order of their needs and stop in reverse, whatever happens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod budgets;
mod clean_ups;
mod determinism;
mod failures;
mod layers;
mod makespan;
mod optional;
mod order;
mod shutdown;
mod supervision;
mod values;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use framework_app::{App, AppBuilder, RunError};
use framework_core::{
    BoxModule, Contribution, Order, Registrar, ShutdownReason, Unclaimed, module_fn,
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A module of a name and what it declares.
#[track_caller]
fn module(
    name: &'static str,
    declare: impl FnOnce(&mut Registrar<'_>) + Send + 'static,
) -> BoxModule {
    BoxModule::new(module_fn(name, declare))
}

/// A module that says when it starts and stops.
#[track_caller]
fn noisy(
    name: &'static str,
    log: &Log,
    declare: impl FnOnce(&mut Registrar<'_>) + Send + 'static,
) -> BoxModule {
    let log = log.clone();
    module(name, move |reg| {
        let down = log.clone();
        reg.teardown("noise", move |_cx| async move {
            down.push(format!("-{name}"));
            Ok(())
        });
        declare(reg);
        reg.setup("noise", move |_cx| async move {
            log.push(format!("+{name}"));
            Ok(())
        });
    })
}

fn app(modules: impl IntoIterator<Item = BoxModule>) -> AppBuilder {
    App::builder("test").modules(modules.into_iter().collect::<Vec<_>>())
}

fn asked() -> ShutdownReason {
    ShutdownReason::Requested("the test".to_owned())
}

async fn start_and_stop(app: AppBuilder) -> Result<(), RunError> {
    app.build().unwrap().start().await?.stop(asked()).await
}

/// The message without line numbers, which change with every edit of these tests.
fn without_lines(error: &impl ToString) -> String {
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

struct Gauge;

impl Contribution for Gauge {
    const KIND: &'static str = "gauges";
    const ORDER: Order = Order::Independent;
    const UNCLAIMED: Unclaimed = Unclaimed::Ignore;
}

fn provide_u16(reg: &mut Registrar<'_>) {
    reg.provide(|_cx| async { Ok(80_u16) });
}
