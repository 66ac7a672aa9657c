//! States and scopes that the application provides.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, extract::State, routing::get};
use framework_core::{BoxModule, module_fn};
use framework_di::{Inject, InjectExt, Scoped};
use framework_http::{Dep, HttpExt, HttpHandle, HttpModule, HttpSettings, Problem, RequestScope};
use framework_registry::Plan;
use http::Request;
use http_body_util::BodyExt;

use crate::app::{App, plan};

struct Counter(AtomicUsize);

/// One in each request; its number says which.
struct Ticket(usize);

impl Ticket {
    fn new(counter: Arc<Counter>) -> Self {
        Self(counter.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[derive(Clone, Inject)]
struct Office {
    counter: Arc<Counter>,
    ticket: Scoped<Ticket>,
}

async fn twice(State(office): State<Office>, scope: RequestScope) -> Result<String, Problem> {
    let (one, same) = (scope.get(&office.ticket)?, scope.get(&office.ticket)?);
    assert!(Arc::ptr_eq(&one, &same));
    Ok(one.0.to_string())
}

async fn count(Dep(counter): Dep<Counter>) -> String {
    counter.0.load(Ordering::Relaxed).to_string()
}

fn office(in_scope: bool) -> BoxModule {
    BoxModule::new(module_fn("office", move |reg| {
        reg.inject(|| Counter(AtomicUsize::new(0)));
        reg.scoped(Ticket::new);
        let router: Router<Office> =
            Router::new().route("/twice", get(twice)).route("/count", get(count));
        if in_scope { reg.routes_in_scope(router) } else { reg.routes(router) }
    }))
}

async fn answer(handle: &HttpHandle, path: &str) -> (u16, String) {
    let response = handle.call(Request::get(path).body(Body::empty()).unwrap()).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn served(in_scope: bool) -> (App, HttpHandle) {
    let http = HttpModule::new()
        .settings(HttpSettings { addr: "127.0.0.1:0".to_owned(), ..HttpSettings::default() });
    let handle = http.handle();
    (App::ready(plan([BoxModule::new(http), office(in_scope)])).await, handle)
}

#[tokio::test]
async fn each_request_has_a_scope_of_its_own() {
    let (app, handle) = served(true).await;
    assert_eq!(answer(&handle, "/twice").await, (200, "0".to_owned()));
    assert_eq!(answer(&handle, "/twice").await, (200, "1".to_owned()));
    assert_eq!(answer(&handle, "/count").await, (200, "2".to_owned()));
    assert_eq!(app.stop().await, [""; 0]);
}

#[tokio::test]
async fn routes_without_scopes_answer_a_handler_that_wants_one_with_a_problem() {
    let (app, handle) = served(false).await;
    let (status, body) = answer(&handle, "/twice").await;
    assert_eq!(status, 500);
    assert!(!body.contains("routes_in_scope"), "that is for the log: {body}");
    assert_eq!(answer(&handle, "/count").await, (200, "0".to_owned()));
    assert_eq!(app.stop().await, [""; 0]);
}

#[test]
fn a_state_whose_values_nobody_provides_is_an_issue_at_the_place_of_the_routes() {
    #[derive(Clone, Inject)]
    struct Missing {
        nothing: Arc<i128>,
    }
    let module = BoxModule::new(module_fn("orders", |reg| {
        reg.routes(Router::<Missing>::new().route("/orders", get(async || "never")));
    }));
    let modules = [BoxModule::new(HttpModule::new()), module];
    let error = Plan::new(modules).unwrap_err().to_string();
    assert!(error.contains("error[E0301]: nothing provides `i128`"), "{error}");
    assert!(
        error.contains("needed by `orders`   crates/framework-http/tests/it/inject.rs:"),
        "{error}"
    );
}
