use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    routing::{get, post},
};
use framework_app::{App, AppBuilder};
use framework_core::module_fn;
use framework_http::{HttpExt, HttpModule, HttpSettings, Problem};
use framework_testing::TestApp;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sum {
    of: Vec<u32>,
    sum: u32,
}

fn app() -> AppBuilder {
    app_on(HttpModule::new())
}

fn app_on(http: HttpModule) -> AppBuilder {
    let sums = module_fn("sums", |reg| {
        let sum = async |Json(of): Json<Vec<u32>>| {
            (StatusCode::CREATED, Json(Sum { sum: of.iter().sum(), of }))
        };
        let show = async |Path(id): Path<u32>| {
            if id == 7 { Ok("seven") } else { Err(Problem::not_found().detail("no such sum")) }
        };
        let router = Router::new().route("/sums", post(sum)).route("/sums/{id}", get(show));
        reg.routes_with(router, |_cx| Ok(()));
    });
    App::builder("test").modules((http, sums))
}

#[tokio::test]
async fn requests_are_answered_without_a_socket() {
    let app = TestApp::start(app()).await;
    assert_eq!(app.get("/sums/7").await.assert_status(200).text(), "seven");
    let made = app.post_json("/sums", &[1, 2, 3]).await;
    assert_eq!(made.status(), 201);
    assert_eq!(made.json::<Sum>(), Sum { of: vec![1, 2, 3], sum: 6 });
    assert!(made.header("x-request-id").is_some());
    let problem = app.get("/sums/8").await.assert_problem(404);
    assert_eq!(problem["detail"], "no such sum");
    assert_eq!(app.delete("/sums/7").await.status(), 405);
    let request = Request::put("/sums").body(Body::from("3")).unwrap();
    assert_eq!(app.call(request).await.status(), 405);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn two_apps_run_at_once_because_their_ports_are_free_ones_of_this_machine() {
    let fixed = "[http]\naddr = \"127.0.0.1:1\"\nrequest_timeout = \"3s\"";
    let one = TestApp::builder(app()).config(fixed).start().await;
    let two = TestApp::start(app()).await;
    let addresses = [&one, &two].map(|app| app.http().local_addr().unwrap());
    assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() > 1));
    assert_ne!(addresses[0], addresses[1]);
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_with_settings_of_its_own_keeps_them() {
    let settings = HttpSettings { addr: "127.0.0.1:0".to_owned(), ..HttpSettings::default() };
    let app = TestApp::start(app_on(HttpModule::new().settings(settings))).await;
    assert_eq!(app.get("/sums/7").await.status(), 200);
    app.stop().await.unwrap();
}

#[tokio::test]
#[should_panic = "expected 200\nGET /sums/8 -> 404 Not Found\n{"]
async fn an_assertion_shows_the_request_and_the_answer() {
    let app = TestApp::start(app()).await;
    app.get("/sums/8").await.assert_status(200);
}

#[tokio::test]
#[should_panic = "no problem document\nGET /sums/7 -> 200 OK\nseven"]
async fn an_answer_that_is_no_problem_is_not_taken_for_one() {
    let app = TestApp::start(app()).await;
    drop(app.get("/sums/7").await.assert_problem(200));
}

#[test]
fn an_application_that_serves_is_safe() {
    framework_testing::LifecycleSafety::new(app).run().assert();
}
