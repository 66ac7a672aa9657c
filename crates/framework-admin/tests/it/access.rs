use framework_admin::AdminSettings;

use crate::rig::{Rig, app, settings, with_token};

/// Every path, one that is nothing, and what each is asked with.
const REQUESTS: [&str; 19] = [
    "GET /",
    "GET /health",
    "GET /livez",
    "GET /readyz",
    "GET /startupz",
    "GET /metrics",
    "DELETE /metrics",
    "GET /debug",
    "GET /debug/config",
    "GET /debug/config/history",
    "GET /debug/graph",
    "GET /debug/health-report",
    "GET /debug/log-level",
    "PUT /debug/log-level",
    "GET /debug/modules",
    "GET /debug/routes",
    "GET /debug/startup",
    "GET /nothing",
    "GET /debug/nothing",
];

#[tokio::test]
async fn nothing_is_answered_without_the_token() {
    let rig = Rig::start_with(with_token("s3cret"), ()).await;
    for request in REQUESTS {
        let answer = rig.ask(request, &[], "").await;
        assert_eq!(answer.problem(), 401, "{request}");
        assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
        let answer = rig.ask(request, &["authorization: Bearer S3cret"], "").await;
        assert_eq!(answer.status, 401, "{request}");
        let answer = rig.ask(request, &["authorization: Bearer s3cret"], "").await;
        assert_ne!(answer.status, 401, "{request}");
    }
    // Whoever has the token may call the listener what they like.
    let named = ["host: till.example", "authorization: Bearer s3cret"];
    assert_eq!(rig.ask("GET /metrics", &named, "").await.status, 200);
    rig.stop().await;
}

#[tokio::test]
async fn without_a_token_no_web_page_gets_an_answer_under_its_own_name() {
    let rig = Rig::start(()).await;
    for request in REQUESTS {
        let answer = rig.ask(request, &["host: evil.example"], "").await;
        assert_eq!(answer.problem(), 403, "{request}");
    }
    assert_eq!(rig.ask("GET /metrics", &["host: localhost:9090"], "").await.status, 200);
    rig.stop().await;
}

#[test]
fn a_listener_that_is_open_to_everyone_is_no_plan() {
    let open = AdminSettings { addr: "0.0.0.0:0".to_owned(), ..settings() };
    let error = app(open, ()).0.plan().unwrap_err();
    let issue = &error.issues()[0];
    assert_eq!((issue.code().id, error.issues().len()), ("E0701", 1));
    assert!(error.to_string().contains("admin.addr = \"0.0.0.0:0\", which is not loopback"));
}

#[tokio::test]
async fn a_listener_that_is_switched_off_is_not_there() {
    let off = AdminSettings { enabled: false, addr: "0.0.0.0:0".to_owned(), ..settings() };
    let rig = Rig::start_with(off, ()).await;
    assert_eq!(rig.admin.local_addr(), None);
    rig.stop().await;
}
