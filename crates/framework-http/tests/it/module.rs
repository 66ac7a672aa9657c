use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn},
    routing::{any, get, post},
};
use framework_config::Sources;
use framework_core::{BoxModule, HealthStatus, Phase, Registrar, ShutdownReason, module_fn};
use framework_http::{
    BindError, HttpExt, HttpHandle, HttpModule, HttpSettings, MiddlewareStage, Readiness,
};
use framework_registry::Plan;
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    time::Instant,
};

use crate::{
    app::{App, plan},
    client::{Client, Got},
};

fn http() -> HttpModule {
    HttpModule::new()
        .settings(HttpSettings { addr: "127.0.0.1:0".to_owned(), ..HttpSettings::default() })
}

fn module(
    name: &'static str,
    register: impl FnOnce(&mut Registrar<'_>) + Send + 'static,
) -> BoxModule {
    BoxModule::new(module_fn(name, register))
}

/// A module with one router that needs no state.
fn serving(name: &'static str, router: Router) -> BoxModule {
    module(name, move |reg| reg.routes_with(router, |_cx| Ok(())))
}

fn greetings() -> BoxModule {
    module("greetings", |reg| {
        let text = reg.provide(|_cx| async { Ok(String::from("hello")) });
        let greet = async |State(text): State<Arc<String>>| text.to_string();
        let router = Router::new().route("/greetings/{id}", get(greet));
        reg.routes_with(router, move |cx| Ok(cx.get(&text)));
    })
}

async fn text(handle: &HttpHandle, path: &str) -> (u16, String) {
    let response = handle.call(Request::get(path).body(Body::empty()).unwrap()).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn routes_get_their_state_and_are_served_with_and_without_a_socket() {
    let http = http();
    let handle = http.handle();
    let app = App::ready(plan([BoxModule::new(http), greetings()])).await;
    let mut client = Client::connect(handle.bound().await).await;
    let answer = client.get("/greetings/7").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert!(answer.headers.contains_key("x-request-id"));
    assert_eq!(text(&handle, "/greetings/7").await, (200, "hello".to_owned()));
    assert_eq!(text(&handle, "/nowhere").await.0, 404);

    let [route] = handle.routes() else { panic!("{:?}", handle.routes()) };
    assert_eq!((route.method, route.path.as_str()), ("GET", "/greetings/{id}"));
    assert_eq!(route.module, "greetings");
    assert!(route.location.file().ends_with("tests/it/module.rs"));

    assert_eq!(app.stop().await, [""; 0]);
    assert_eq!(text(&handle, "/greetings/7").await.0, 503);
    assert_eq!(handle.report().map(|report| report.cut.len()), Some(0));
}

#[tokio::test]
async fn connections_wait_until_the_whole_application_is_ready() {
    let http = http();
    let handle = http.handle();
    let app = App::start(plan([BoxModule::new(http), greetings()])).await.unwrap();
    let mut client = Client::connect(handle.bound().await).await;
    client.send("GET /greetings/7 HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let early = tokio::time::timeout(Duration::from_millis(50), client.try_answer()).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!(handle.traffic().unwrap().accepted_connections(), 0);
    app.lifecycle.enter(Phase::Ready);
    assert_eq!(client.answer().await.body, "hello");
}

#[tokio::test]
async fn a_server_that_was_never_ready_stops_at_once() {
    let app = App::start(plan([BoxModule::new(http()), greetings()])).await.unwrap();
    let asked = Instant::now();
    assert_eq!(app.stop().await, [""; 0]);
    assert!(asked.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn a_listener_that_is_bound_already_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let http = HttpModule::on(listener).settings(HttpSettings::default());
    let _app = App::ready(plan([BoxModule::new(http), greetings()])).await;
    assert_eq!(Client::connect(address).await.get("/greetings/1").await.body, "hello");
}

#[tokio::test]
async fn a_port_in_use_stops_the_start_with_an_error_that_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let http = HttpModule::new().settings(HttpSettings { addr, ..HttpSettings::default() });
    let error = App::start(plan([BoxModule::new(http)])).await.err().unwrap();
    assert!(error.downcast_ref::<BindError>().is_some_and(BindError::is_addr_in_use), "{error}");
}

#[tokio::test]
async fn the_probes_follow_the_application_and_liveness_follows_nothing() {
    let http = http();
    let handle = http.handle();
    let health = Arc::new(Mutex::new(HealthStatus::Healthy));
    let seen = Arc::clone(&health);
    let checks = module("checks", move |reg| {
        let readiness = Readiness::new(move || *seen.lock().unwrap());
        reg.provide_value(Arc::new(readiness));
    });
    let app = App::start(plan([BoxModule::new(http), checks])).await.unwrap();
    let probe = async || {
        let mut said = Vec::new();
        for path in ["/livez", "/startupz", "/readyz", "/health"] {
            let (status, body) = text(&handle, path).await;
            said.push(format!("{status} {}", body.trim_end()));
        }
        said.join(", ")
    };
    let ok = "200 ok, 200 ok";
    assert_eq!(probe().await, r#"200 ok, 503 starting, 503 starting, 503 {"status":"unhealthy"}"#,);
    app.lifecycle.enter(Phase::Ready);
    assert_eq!(probe().await, format!(r#"{ok}, 200 ok, 200 {{"status":"healthy"}}"#));
    *health.lock().unwrap() = HealthStatus::Degraded;
    assert_eq!(probe().await, format!(r#"{ok}, 200 ok, 200 {{"status":"degraded"}}"#));
    *health.lock().unwrap() = HealthStatus::Unhealthy;
    assert_eq!(probe().await, format!(r#"{ok}, 503 unhealthy, 503 {{"status":"unhealthy"}}"#));
    *health.lock().unwrap() = HealthStatus::Healthy;
    app.lifecycle.enter(Phase::LameDuck);
    assert_eq!(probe().await, format!(r#"{ok}, 503 shutting down, 503 {{"status":"unhealthy"}}"#));
}

#[tokio::test]
async fn the_server_follows_the_application_into_its_lame_duck_and_out() {
    let http = http();
    let handle = http.handle();
    let app = App::ready(plan([BoxModule::new(http), greetings()])).await;
    let mut client = Client::connect(handle.bound().await).await;
    assert_eq!(client.get("/greetings/1").await.headers.get("connection"), None);
    app.lifecycle.enter(Phase::LameDuck);
    let stage = handle.traffic().unwrap();
    while stage.stage() < framework_http::DrainStage::LameDuck {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.get("/greetings/1").await.headers["connection"], "close");
    client.closed().await;
    let asked = Instant::now();
    assert_eq!(app.stop().await, [""; 0]);
    assert!(asked.elapsed() < Duration::from_millis(200), "took {:?}", asked.elapsed());
}

#[tokio::test]
async fn the_second_request_to_stop_hurries_the_drain_and_what_it_cuts_is_an_error() {
    let http = http().force_after(Duration::from_millis(100));
    let (handle, entered) = (http.handle(), Arc::new(Notify::new()));
    let inside = Arc::clone(&entered);
    let wait = async move || {
        inside.notify_one();
        std::future::pending::<()>().await;
    };
    let app = App::ready(plan([
        BoxModule::new(http),
        serving("slow", Router::new().route("/wait", get(wait))),
    ]))
    .await;
    let mut client = Client::connect(handle.bound().await).await;
    client.send("GET /wait HTTP/1.1\r\nhost: test\r\n\r\n").await;
    entered.notified().await;
    app.lifecycle.request_shutdown(ShutdownReason::Signal("SIGTERM"));
    let asked = Instant::now();
    assert_eq!(app.stop().await, ["http: one request in flight had to be cut off"]);
    assert!(asked.elapsed() < Duration::from_secs(1), "took {:?}", asked.elapsed());
    assert_eq!(client.try_answer().await, Got::Nothing);
}

#[tokio::test]
async fn middleware_stands_by_stage_and_then_in_the_order_of_registration() {
    let log: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let mark = |name: &'static str| {
        let log = Arc::clone(&log);
        from_fn(move |request: Request, next: Next| {
            log.lock().unwrap().push(name);
            next.run(request)
        })
    };
    let marks = [
        (MiddlewareStage::Inner, mark("inner")),
        (MiddlewareStage::Outer, mark("outer 1")),
        (MiddlewareStage::Auth, mark("auth")),
        (MiddlewareStage::Outer, mark("outer 2")),
    ];
    let around = module("around", move |reg| {
        for (stage, layer) in marks {
            reg.middleware(stage, layer);
        }
    });
    let http = http();
    let handle = http.handle();
    let _app = App::ready(plan([BoxModule::new(http), around, greetings()])).await;
    assert_eq!(text(&handle, "/greetings/1").await.0, 200);
    assert_eq!(*log.lock().unwrap(), ["outer 1", "outer 2", "auth", "inner"]);
}

#[tokio::test]
async fn a_fallback_of_one_module_is_kept() {
    let http = http();
    let handle = http.handle();
    let page = serving("page", Router::new().fallback(async || "the page"));
    let _app = App::ready(plan([BoxModule::new(http), page, greetings()])).await;
    assert_eq!(text(&handle, "/nowhere").await, (200, "the page".to_owned()));
    assert_eq!(text(&handle, "/greetings/1").await.1, "hello");
}

/// What the plan says of these modules, without the places.
fn refused<const N: usize>(modules: [BoxModule; N]) -> String {
    let all = [BoxModule::new(http())].into_iter().chain(modules);
    let text = Plan::new(all).expect_err("refused").to_string();
    let lines = text.lines().map(|line| match line.split_once("   crates/") {
        Some((evidence, place)) => {
            assert!(place.starts_with("framework-http/tests/it/module.rs:"), "{place}");
            evidence.trim_end()
        }
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn one_route_of_two_modules_is_refused_with_both_places() {
    let a = serving("catalog", Router::new().route("/products/{id}", get(async || ())));
    let b = serving(
        "search",
        Router::new().route("/products/{id}", post(async || ()).get(async || ())),
    );
    assert_eq!(
        refused([a, b]),
        "error[E0501]: `GET /products/{id}` is served by two modules\n\
         \n\
         \u{20}   `catalog` serves `GET /products/{id}`\n\
         \u{20}   `search` serves `GET /products/{id}`\n\
         \n\
         help: serve one of them at another path or with another method, or remove it",
    );
}

#[test]
fn paths_that_the_router_cannot_tell_apart_are_refused_whatever_their_methods() {
    let a = serving("a", Router::new().route("/x/{id}", get(async || ())));
    let b = serving("b", Router::new().route("/x/{name}", post(async || ())));
    let text = refused([a, b]);
    assert!(
        text.starts_with("error[E0501]: `/x/{id}` and `/x/{name}` match the same paths\n"),
        "{text}"
    );
}

#[test]
fn every_method_of_one_path_collides_with_any_of_another() {
    let a = serving("a", Router::new().route("/x", any(async || ())));
    let b = serving("b", Router::new().route("/x", post(async || ())));
    assert!(refused([a, b]).starts_with("error[E0501]: `POST /x` is served by two modules\n"));
}

#[test]
fn one_path_with_different_methods_may_be_shared() {
    let a = serving("a", Router::new().route("/x", get(async || ())));
    let b = serving("b", Router::new().route("/x", post(async || ())));
    Plan::new([BoxModule::new(http()), a, b]).unwrap();
}

#[test]
fn the_probes_cannot_be_taken_over() {
    for path in ["/livez", "/readyz", "/startupz", "/health"] {
        let text = refused([serving("a", Router::new().route(path, get(async || ())))]);
        let expected = format!("error[E0502]: `GET {path}` belongs to the server itself");
        assert_eq!(text.lines().next(), Some(expected.as_str()));
    }
}

#[tokio::test]
async fn a_route_for_every_path_leaves_the_probes_alone() {
    let http = http();
    let handle = http.handle();
    let page = serving("page", Router::new().route("/{*path}", any(async || "the page")));
    let _app = App::ready(plan([BoxModule::new(http), page])).await;
    assert_eq!(text(&handle, "/readyz").await, (200, "ok\n".to_owned()));
    assert_eq!(text(&handle, "/else").await.1, "the page");
}

#[test]
fn two_fallbacks_are_refused() {
    let page = || Router::new().fallback(async || ());
    let text = refused([serving("a", page()), serving("b", page())]);
    assert!(
        text.starts_with("error[E0503]: two modules have a fallback for all paths\n"),
        "{text}"
    );
}

#[test]
fn routes_without_a_server_are_refused() {
    let error = Plan::new([greetings()]).unwrap_err().to_string();
    assert!(error.contains("http routes"), "{error}");
}

#[tokio::test]
async fn further_addresses_are_served_as_the_settings_say() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let settings = HttpSettings {
        addr: "127.0.0.1:0".to_owned(),
        also: vec![format!("unix:{}", path.display())],
        ..HttpSettings::default()
    };
    let app =
        App::ready(plan([BoxModule::new(HttpModule::new().settings(settings)), greetings()])).await;
    let mut unix = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = b"GET /greetings/1 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    unix.write_all(request).await.unwrap();
    let mut answer = String::new();
    unix.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(app.stop().await, [""; 0]);
    assert!(!path.exists());
}

#[test]
fn an_address_that_is_none_is_a_fault_of_the_settings() {
    let faults = |also: &str| {
        let text = format!("[http]\nalso = [{also:?}]\n");
        let loaded = Sources::none().toml_text("app.toml", text).load().unwrap();
        loaded.section::<HttpSettings>("http").is_err()
    };
    assert!(!faults("unix:/run/app.sock") && !faults("[::1]:80"));
    assert!(faults("unix:") && faults("/run/app.sock") && faults("localhost"));
}
