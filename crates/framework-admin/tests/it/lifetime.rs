use std::sync::Arc;

use framework_core::{EventKind, ModuleState, ShutdownReason, module_fn};
use tokio::sync::Notify;

use crate::rig::{app, get, settings};

/// Says that something was reached, and waits until it may go on.
#[derive(Clone, Default)]
struct Barrier {
    reached: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Barrier {
    async fn wait(&self) {
        self.reached.notify_one();
        self.go_on.notified().await;
    }
}

#[tokio::test]
async fn it_is_up_before_the_others_start_and_answers_until_they_have_stopped() {
    let (starting, stopping) = (Barrier::default(), Barrier::default());
    let (start, stop) = (starting.clone(), stopping.clone());
    let slow = module_fn("slow", move |reg| {
        reg.setup("wait", move |_cx| async move {
            start.wait().await;
            Ok(())
        });
        reg.teardown("wait", move |_cx| async move {
            stop.wait().await;
            Ok(())
        });
    });
    let (app, admin) = app(settings(), slow);
    let ready = app.build().unwrap();
    let lifecycle = ready.lifecycle().clone();

    let operator = async {
        starting.reached.notified().await;
        let address = admin.local_addr().unwrap();
        let state = async || {
            let modules = get(address, "/debug/modules").await.json();
            modules["modules"][3]["state"].as_str().unwrap().to_owned()
        };
        assert_eq!(state().await, "starting");
        assert_eq!(get(address, "/readyz").await.status, 503);
        assert_eq!(get(address, "/livez").await.status, 200);
        assert_eq!(get(address, "/debug/startup").await.problem(), 503);
        assert!(get(address, "/").await.body.contains("class=\"starting\""));

        starting.go_on.notify_one();
        lifecycle.reached(framework_core::Phase::Ready).await;
        let startup = get(address, "/debug/startup").await.json();
        assert_eq!(startup["critical_path"].as_array().unwrap().last().unwrap(), "slow");
        let trace = get(address, "/debug/startup?format=perfetto").await.json();
        assert!(
            trace["traceEvents"].as_array().unwrap().iter().any(|event| event["name"] == "wait")
        );

        lifecycle.request_shutdown(ShutdownReason::Requested("the test".to_owned()));
        stopping.reached.notified().await;
        assert_eq!(state().await, "stopping");
        assert_eq!(get(address, "/readyz").await.status, 503);
        let health = get(address, "/health").await;
        assert_eq!((health.status, &health.json()["status"]), (503, &"unhealthy".into()));
        assert_eq!(get(address, "/debug").await.json()["shutdown_reason"], "the test");
        stopping.go_on.notify_one();
    };
    let (ended, ()) = tokio::join!(ready.run(), operator);
    ended.unwrap();

    let events = lifecycle.events();
    let entered = |module, state| {
        let kind = EventKind::Module { module, state };
        events.iter().position(|event| event.kind == kind).unwrap()
    };
    assert!(entered("admin", ModuleState::Running) < entered("slow", ModuleState::Starting));
    assert!(entered("slow", ModuleState::Stopped) < entered("admin", ModuleState::Stopping));
}

#[tokio::test]
async fn two_applications_in_one_process_have_a_listener_each() {
    let start = async || {
        let (app, admin) = app(settings(), ());
        (app.build().unwrap().start().await.unwrap(), admin)
    };
    let ((first, one), (second, other)) = (start().await, start().await);
    let (one, other) = (one.local_addr().unwrap(), other.local_addr().unwrap());
    assert_ne!(one, other);
    first.stop(ShutdownReason::Requested("the test".to_owned())).await.unwrap();
    assert_eq!(get(other, "/livez").await.status, 200);
    second.stop(ShutdownReason::Requested("the test".to_owned())).await.unwrap();
}
