use std::sync::Arc;

use framework_app::{App, AppBuilder, AppError};
use framework_config::{ConfigExt, ConfigModule, Settings, Sources};
use framework_core::{BoxError, Phase, ShutdownReason, module_fn};
use framework_testing::TestApp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    /// How many may wait.
    queue: u16,
}

impl Settings for Limits {}

fn app() -> AppBuilder {
    App::builder("test").module(module_fn("limits", |reg| {
        let limits = reg.config::<Limits>("limits");
        reg.provide(move |_cx| async move { Ok(limits.get().queue) });
    }))
}

#[tokio::test]
async fn a_test_app_has_the_configuration_of_the_test_and_no_other() {
    let own = ConfigModule::from(Sources::none().set("limits.queue=7"));
    let test = TestApp::builder(app().module(own));
    let app = test.config("[limits]\nqueue = 8").start().await;
    assert_eq!(*app.get_value::<u16>(), 8);
    app.stop().await.unwrap();

    let default = TestApp::start(self::app()).await;
    assert_eq!(*default.get_value::<u16>(), 0);
    default.stop().await.unwrap();

    let set = TestApp::builder(self::app()).config("[limits]\nqueue = 8").set("limits.queue=9");
    let set = set.start().await;
    assert_eq!(*set.get_value::<u16>(), 9);
    set.stop().await.unwrap();
}

#[tokio::test]
async fn a_test_app_can_keep_its_configuration() {
    let own = ConfigModule::from(Sources::none().set("limits.queue=7"));
    let app = TestApp::builder(app().module(own)).keep_config().start().await;
    assert_eq!(*app.get_value::<u16>(), 7);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_mistake_in_the_configuration_of_a_test_is_told() {
    let started = TestApp::builder(app()).config("[limits]\nqueu = 8").try_start().await;
    let Err(AppError::Plan(error)) = started else { panic!("{started:?}") };
    assert!(error.to_string().contains("did you mean `limits.queue`?"), "{error}");
}

#[tokio::test]
async fn what_fails_while_an_app_runs_is_told_when_it_stops() {
    let failing = module_fn("failing", |reg| {
        reg.run("work", |cx| async {
            Ok(async move {
                cx.lifecycle().reached(Phase::Ready).await;
                Err::<(), BoxError>("broke".into())
            })
        });
    });
    let app = TestApp::builder(app()).with(|app| app.module(failing)).start().await;
    let error = app.stopped().await.unwrap_err();
    assert_eq!(error.primary().module(), Some("failing"));
}

#[tokio::test]
async fn the_life_of_a_test_app_can_be_followed() {
    let app = TestApp::start(app()).await;
    assert_eq!(app.lifecycle().phase(), Phase::Ready);
    assert_eq!(app.graph().unwrap().modules().len(), 2);
    let lifecycle = app.lifecycle().clone();
    lifecycle.request_shutdown(ShutdownReason::Signal("SIGTERM"));
    app.stopped().await.unwrap();
    assert_eq!(lifecycle.phase(), Phase::Stopped);
}

#[tokio::test]
#[should_panic = "`test` was dropped before `stop().await`; still running: `config`, `limits`"]
async fn a_test_app_that_is_not_stopped_fails_its_test() {
    drop(TestApp::builder(app()).start().await);
}

#[tokio::test]
#[should_panic = "the reason of the test"]
async fn a_test_that_fails_for_another_reason_says_that_reason() {
    let _app = TestApp::start(app()).await;
    panic!("the reason of the test");
}

#[tokio::test]
#[should_panic = "nothing in `test` provides `str`"]
async fn a_value_that_is_not_there_is_named() {
    let app = TestApp::start(app()).await;
    let _: Arc<str> = app.get_value::<str>();
}
