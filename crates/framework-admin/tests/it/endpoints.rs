use framework_core::{Check, Context, Health, Inspect, module_fn};
use framework_observability::HealthExt as _;

use crate::rig::Rig;

struct Down;

impl Check for Down {
    async fn check(&self, _cx: &Context) -> Health {
        Health::unhealthy("<refused>")
    }
}

#[tokio::test]
async fn errors_are_problem_documents() {
    let rig = Rig::start(()).await;
    for (request, body, status) in [
        ("GET /nothing", "", 404),
        ("DELETE /metrics", "", 405),
        ("GET /debug/graph?format=png", "", 400),
        ("GET /debug/graph?frmat=svg", "", 400),
        ("GET /debug/startup?format=png", "", 400),
        ("PUT /debug/log-level", "dbug", 422),
        ("PUT /debug/log-level", "{\"lvl\": 1}", 400),
        ("PUT /debug/log-level", "", 422),
        // The test's process logs through a subscriber of its own.
        ("PUT /debug/log-level", "debug", 409),
    ] {
        assert_eq!(rig.ask(request, &[], body).await.problem(), status, "{request} {body}");
    }
    let large = "x".repeat(20_000);
    assert_eq!(rig.ask("PUT /debug/log-level", &[], &large).await.status, 413);
    rig.stop().await;
}

#[tokio::test]
async fn a_check_that_fails_is_told_to_monitors_and_shown_to_people() {
    let rig = Rig::start(module_fn("stock", |reg| reg.health("database", Down))).await;
    let mut answer = rig.get("/health").await;
    while answer.json()["checks"][0]["status"] == "unknown" {
        answer = rig.get("/health").await;
    }
    assert_eq!(answer.status, 503);
    let health = answer.json();
    assert_eq!(health["status"], "unhealthy");
    let check = &health["checks"][0];
    assert_eq!((&check["name"], &check["module"]), (&"database".into(), &"stock".into()));
    assert_eq!(check["detail"], "<refused>");
    assert_eq!(rig.get("/readyz").await.status, 503);
    assert_eq!(rig.get("/livez").await.status, 200, "liveness looks at no dependency");
    let report = rig.json("/debug/health-report").await;
    assert_eq!(report["report"]["checks"][0]["status"], "unhealthy");
    let page = rig.get("/").await.body;
    assert!(page.contains("&lt;refused&gt;") && !page.contains("<refused>"), "{page}");
    rig.stop().await;
}

#[tokio::test]
async fn modules_are_shown_in_start_order_with_what_they_are_about() {
    let orders = module_fn("orders", |reg| {
        reg.version("2.0.0");
        reg.need::<u16>();
        reg.setup("warm-up", |cx| async move {
            cx.note("warm");
            Ok(())
        });
    });
    let data = module_fn("data", |reg| drop(reg.provide(|_cx| async { Ok(80_u16) })));
    let rig = Rig::start((orders, data)).await;
    let shown = rig.json("/debug/modules").await;
    assert_eq!(shown["phase"], "ready");
    let modules = shown["modules"].as_array().unwrap();
    let names: Vec<_> = modules.iter().map(|module| module["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["config", "observability", "admin", "data", "orders"]);
    let orders = &modules[4];
    assert_eq!(orders["state"], "running");
    assert_eq!(orders["waits_for"], serde_json::json!(["data"]));
    assert_eq!(orders["units"], serde_json::json!(["setup warm-up"]));
    assert_eq!((&orders["version"], &orders["note"]), (&"2.0.0".into(), &"warm".into()));
    assert!(orders["place"].as_str().unwrap().contains("rig.rs:"), "{orders:#}");
    assert_eq!(modules[3]["provides"], serde_json::json!(["u16"]));
    rig.stop().await;
}

#[tokio::test]
async fn the_process_is_described() {
    let rig = Rig::start(()).await;
    let debug = rig.json("/debug").await;
    assert_eq!(debug["build"]["name"], "till");
    assert_eq!(debug["build"]["version"], "1.2.3");
    assert_eq!(debug["pid"], std::process::id());
    assert_eq!(debug["modules"]["running"], 3);
    assert!(debug["runtime"]["tasks"].as_u64().unwrap() > 0);
    assert_eq!(debug["http"], serde_json::Value::Null, "it serves nothing");
    assert_eq!(rig.json("/debug/routes").await["routes"], serde_json::json!([]));
    rig.stop().await;
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let rig = Rig::start(()).await;
    let plain = rig.get("/metrics").await;
    assert!(plain.head.contains("content-type: text/plain; version=0.0.4"), "{}", plain.head);
    assert!(plain.body.contains("framework_app_info{name=\"till\""), "{}", plain.body);
    let accept = "accept: application/openmetrics-text;version=1.0.0";
    let open = rig.ask("GET /metrics", &[accept], "").await;
    assert!(open.head.contains("content-type: application/openmetrics-text"), "{}", open.head);
    assert!(open.body.ends_with("# EOF\n"));
    rig.stop().await;
}

#[tokio::test]
async fn the_page_draws_the_graph_and_runs_no_script() {
    let rig = Rig::start(()).await;
    let page = rig.get("/").await;
    assert!(page.head.contains("content-type: text/html"), "{}", page.head);
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{}", page.head);
    let svg = rig.get("/debug/graph?format=svg").await;
    assert!(svg.head.contains("content-type: image/svg+xml"), "{}", svg.head);
    assert!(page.body.contains(svg.body.trim()), "the drawing is part of the page");
    assert!(page.body.contains("<h1>till <small>1.2.3 local</small></h1>"), "{}", page.body);
    assert!(!page.body.contains("<script"));
    rig.stop().await;
}

#[tokio::test]
async fn what_modules_say_of_themselves_is_shown_under_their_names() {
    let mail = module_fn("mail", |reg| {
        reg.contribute(Inspect::new(|| r#"{"waiting": 3}"#.to_owned()));
        reg.contribute(Inspect::new(|| r#"{"sent": 9}"#.to_owned()));
    });
    let till = module_fn("drawer", |reg| {
        reg.contribute(Inspect::new(|| "open".to_owned()));
        reg.contribute(Inspect::maybe(|| None));
    });
    let rig = Rig::start((mail, till)).await;
    let shown = rig.json("/debug").await["inspections"].clone();
    let expected = serde_json::json!({
        "mail": [{"waiting": 3}, {"sent": 9}],
        "drawer": "open",
    });
    assert_eq!(shown, expected);
    rig.stop().await;
}
