//! What layers, facades and the command line build on.

use framework_app::{Budgets, Graph};
use framework_core::{CutShort, Module, Phase};

use super::*;

struct Server(u16);

impl Module for Server {
    fn name(&self) -> &'static str {
        "server"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.provide(move |_cx| async move { Ok(self.0) });
    }
}

#[tokio::test]
async fn a_default_gives_way_to_a_later_one_of_its_type_where_it_was() {
    let app = App::builder("test")
        .default_modules((Server(1), module("last", |_reg| ())))
        .default_modules(Server(2));
    assert!(!app.has_module::<Server>(), "a default was not asked for");
    let app = app.build().unwrap().start().await.unwrap();
    assert_eq!(app.get::<u16>().as_deref(), Some(&2));
    let names: Vec<_> = app.graph().modules().iter().map(|module| module.name).collect();
    assert_eq!(names, ["server", "last"]);
    stop(app).await.unwrap();
}

#[tokio::test]
async fn a_default_gives_way_to_a_module_of_its_type() {
    let app = App::builder("test").default_modules(Server(1)).modules(Server(3));
    assert!(app.has_module::<Server>());
    let app = app.build().unwrap().start().await.unwrap();
    assert_eq!(app.get::<u16>().as_deref(), Some(&3));
    stop(app).await.unwrap();
}

#[tokio::test]
async fn work_that_a_layer_had_to_cut_short_counts_as_cut() {
    #[derive(Debug, thiserror::Error)]
    #[error("three requests were cut off")]
    struct Requests(#[source] CutShort);

    let server = module("server", |reg| {
        reg.run("serve", |cx| async move {
            Ok(async move {
                cx.shutdown().await;
                Err(Requests(CutShort).into())
            })
        });
    });
    let app = app([server]).build().unwrap().start().await.unwrap();
    let error = stop(app).await.unwrap_err();
    assert!(error.is_cut(), "{error}");
}

#[test]
fn a_limit_that_makes_do_with_less_does_not_count_against_the_whole() {
    let server = |reg: &mut Registrar<'_>| reg.stop_timeout_at_most(60 * SECOND);
    let mut budgets = Budgets::default();
    budgets.shutdown = SECOND;
    assert!(app([module("server", server)]).budgets(budgets).build().is_ok());
}

#[tokio::test]
async fn modules_can_look_at_the_graph_and_at_where_the_time_of_the_start_went() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let console = module("console", |reg| {
        reg.run("show", |cx| async move {
            assert!(cx.lifecycle().startup().is_none(), "it has not started yet");
            Ok(async move {
                cx.lifecycle().reached(Phase::Ready).await;
                let graph = cx.container().get::<Graph>().unwrap();
                let startup = cx.lifecycle().startup().unwrap().to_json();
                let _ = sender.send((graph.modules().len(), startup));
                cx.shutdown().await;
                Ok(())
            })
        });
    });
    let app = app([console]).build().unwrap().start().await.unwrap();
    let (modules, startup) = receiver.await.unwrap();
    assert_eq!(modules, 1);
    assert!(startup.starts_with("{\"critical_path\":[\"console\"],"), "{startup}");
    stop(app).await.unwrap();
}

async fn stop(app: framework_app::RunningApp) -> Result<(), RunError> {
    app.stop(asked()).await
}
