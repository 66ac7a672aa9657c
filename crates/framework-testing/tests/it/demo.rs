//! An application with something of everything.

use std::time::Duration;

use framework_app::{App, AppBuilder};
use framework_core::{
    BoxError, Context, Intensity, ModuleFn, Registrar, Strategy, Supervision, module_fn,
};

pub(crate) struct Pool;
pub(crate) struct Cache;
pub(crate) struct Orders;

type Declared = ModuleFn<fn(&mut Registrar<'_>)>;

async fn rest(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

async fn until_asked(cx: Context) -> Result<(), BoxError> {
    cx.shutdown().await;
    rest(5).await;
    Ok(())
}

/// A value that keeps a task, two setups, clean-ups and teardowns.
fn data(reg: &mut Registrar<'_>) {
    reg.provide(|cx| async move {
        rest(10).await;
        cx.defer("close-pool", || async {
            rest(3).await;
            Ok(())
        });
        let asked = cx.shutdown();
        cx.spawn("keep-alive", async move {
            asked.await;
            Ok(())
        });
        Ok(Pool)
    });
    reg.setup("connect", |cx| async move {
        cx.defer("disconnect", || async { Ok(()) });
        rest(10).await;
        Ok(())
    });
    reg.setup("migrate", |_cx| async {
        rest(10).await;
        Ok(())
    });
    reg.teardown("flush", |_cx| async {
        rest(10).await;
        Ok(())
    });
    reg.teardown("report", |_cx| async { Ok(()) });
}

/// Units that are started again, alone and in a group, with clean-ups of their own.
fn cache(reg: &mut Registrar<'_>) {
    let pool = reg.need::<Pool>();
    reg.provide(move |cx| async move {
        drop(cx.get(&pool));
        Ok(Cache)
    });
    reg.supervise("refresh", Supervision::permanent(), |cx| async move {
        cx.defer("forget", || async { Ok(()) });
        Ok(until_asked(cx))
    });
    reg.supervise("probe", Supervision::temporary(), |cx| async move { Ok(until_asked(cx)) });
    reg.group("pair", Strategy::OneForAll, Intensity::default(), |reg| {
        reg.supervise("reader", Supervision::permanent(), |cx| async { Ok(until_asked(cx)) });
        reg.supervise("writer", Supervision::transient(), |cx| async move {
            cx.defer("sync", || async { Ok(()) });
            rest(1).await;
            Ok(until_asked(cx))
        });
    });
}

fn orders(reg: &mut Registrar<'_>) {
    drop((reg.need::<Pool>(), reg.need::<Cache>()));
    reg.provide(|_cx| async { Ok(Orders) });
    reg.setup("load", |cx| async move {
        rest(20).await;
        cx.defer("unload", || async { Ok(()) });
        Ok(())
    });
    reg.run("consume", |cx| async { Ok(until_asked(cx)) });
    reg.teardown("commit", |_cx| async { Ok(()) });
}

fn mail(reg: &mut Registrar<'_>) {
    drop(reg.need::<Pool>());
    reg.optional();
    reg.setup("greet", |cx| async move {
        cx.defer("part", || async { Ok(()) });
        rest(15).await;
        Ok(())
    });
    reg.teardown("log-out", |_cx| async { Ok(()) });
}

fn api(reg: &mut Registrar<'_>) {
    drop(reg.need::<Orders>());
    reg.run("serve", |cx| async {
        rest(5).await;
        Ok(until_asked(cx))
    });
    reg.teardown("close", |_cx| async {
        rest(10).await;
        Ok(())
    });
}

/// A module that nothing relies on and that only cleans up.
fn notes(reg: &mut Registrar<'_>) {
    reg.teardown("save", |_cx| async { Ok(()) });
}

pub(crate) fn app() -> AppBuilder {
    let modules: [Declared; 6] = [
        module_fn("api", api),
        module_fn("orders", orders),
        module_fn("mail", mail),
        module_fn("cache", cache),
        module_fn("data", data),
        module_fn("notes", notes),
    ];
    App::builder("demo").modules(Vec::from(modules))
}
