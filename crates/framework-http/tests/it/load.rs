//! What is refused, and what connections are told, while somebody says that there is too much load.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use framework_core::{BoxModule, LoadControl, LoadLimits, Priority, module_fn};
use framework_http::{HttpExt, HttpHandle, HttpModule, HttpSettings};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};

use crate::{
    app::{App, plan},
    client::Client,
};

/// An application with a route of each priority, and who says how much of it is answered.
struct Limited {
    app: App,
    http: HttpHandle,
    load: Arc<LoadControl>,
}

async fn limited(settings: HttpSettings) -> Limited {
    let http = HttpModule::new().settings(settings);
    let (handle, load) = (http.handle(), Arc::new(LoadControl::new()));
    let provided = Arc::clone(&load);
    let watch = module_fn("watch", move |reg| drop(reg.provide_value(provided)));
    let shop = module_fn("shop", |reg| {
        reg.priority(Priority::Low, |reg| {
            let own = get(async || "low").post(async || "low");
            reg.routes::<()>(
                Router::new().route("/low/{id}", own).route("/both", get(async || "")),
            );
            reg.priority(Priority::High, |reg| {
                reg.routes::<()>(Router::new().route("/both", post(async || "")));
            });
            reg.routes::<()>(Router::new().route("/files/{*rest}", get(async || "low")));
        });
        reg.priority(Priority::High, |reg| {
            reg.routes::<()>(Router::new().route("/high", get(async || "high")));
        });
        reg.routes::<()>(
            Router::new()
                .route("/normal", get(async || "normal"))
                .route("/files/index", get(async || "normal")),
        );
    });
    let plan = plan([BoxModule::new(watch), BoxModule::new(shop), BoxModule::new(http)]);
    Limited { app: App::ready(plan).await, http: handle, load }
}

fn settings() -> HttpSettings {
    HttpSettings { addr: "127.0.0.1:0".to_owned(), ..HttpSettings::default() }
}

impl Limited {
    fn refuse(&self, refuse: Option<Priority>) {
        self.load.set(LoadLimits { refuse, ..LoadLimits::default() });
    }

    async fn status(&self, method: Method, path: &str) -> u16 {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        self.http.call(request).await.status().as_u16()
    }

    async fn get(&self, path: &str) -> u16 {
        self.status(Method::GET, path).await
    }
}

const ALL: [&str; 3] = ["/low/7", "/normal", "/high"];

#[tokio::test]
async fn what_matters_least_is_refused_first_and_what_matters_most_last() {
    let shop = limited(settings()).await;
    for (refuse, expected) in [
        (None, [200, 200, 200]),
        (Some(Priority::Low), [503, 200, 200]),
        (Some(Priority::Normal), [503, 503, 200]),
        (Some(Priority::High), [503, 503, 503]),
        (None, [200, 200, 200]),
    ] {
        shop.refuse(refuse);
        let [low, normal, high] = ALL;
        let seen = [shop.get(low).await, shop.get(normal).await, shop.get(high).await];
        assert_eq!(seen, expected, "{refuse:?}");
    }
    shop.app.stop().await;
}

#[tokio::test]
async fn a_route_is_known_by_its_path_and_its_method() {
    let shop = limited(settings()).await;
    shop.refuse(Some(Priority::Low));
    assert_eq!(shop.get("/both").await, 503);
    assert_eq!(shop.status(Method::HEAD, "/both").await, 503, "it is the one for GET");
    assert_eq!(shop.status(Method::POST, "/both").await, 200, "the inner word counts");
    assert_eq!(shop.status(Method::POST, "/low/7").await, 503);
    assert_eq!(shop.get("/files/a/b").await, 503, "the outer word counts again");
    assert_eq!(shop.get("/files/index").await, 200, "it is another route");
    shop.refuse(Some(Priority::Normal));
    assert_eq!(shop.get("/nowhere").await, 503);
    shop.app.stop().await;
}

#[tokio::test]
async fn probes_are_always_answered() {
    let shop = limited(settings()).await;
    shop.refuse(Some(Priority::High));
    for probe in ["/livez", "/readyz", "/startupz", "/health"] {
        assert_eq!(shop.get(probe).await, 200, "{probe}");
    }
    shop.app.stop().await;
}

#[tokio::test]
async fn who_is_refused_is_told_when_to_come_again() {
    let shop = limited(settings()).await;
    shop.refuse(Some(Priority::Low));
    let request = Request::get("/low/7").body(Body::empty()).unwrap();
    let response = shop.http.call(request).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((body["status"].as_u64(), body["request_id"].as_str()), (Some(503), Some(&*id)));
    shop.app.stop().await;
}

#[tokio::test]
async fn connections_end_with_the_next_response_while_they_are_to() {
    let shop = limited(settings()).await;
    let address = shop.http.local_addr().unwrap();
    let mut before = Client::connect(address).await;
    assert_eq!(before.get("/normal").await.headers.get("connection"), None);
    shop.load.set(LoadLimits { close_connections: true, ..LoadLimits::default() });
    let answer = before.get("/normal").await;
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (200, "close"));
    before.closed().await;
    shop.load.set(LoadLimits::default());
    let mut after = Client::connect(address).await;
    assert_eq!(after.get("/normal").await.headers.get("connection"), None);
    assert_eq!(after.get("/normal").await.status, 200);
    drop(after);
    shop.app.stop().await;
}

#[tokio::test]
async fn unused_connections_are_closed_sooner_while_they_are_to() {
    let long = Duration::from_secs(20);
    let shop = limited(HttpSettings { keep_alive: long, ..settings() }).await;
    shop.load.set(LoadLimits { shorter_idle_percent: 99, ..LoadLimits::default() });
    let mut client = Client::connect(shop.http.local_addr().unwrap()).await;
    assert_eq!(client.get("/normal").await.status, 200);
    let begun = Instant::now();
    timeout(long / 2, client.closed()).await.expect("long before its time");
    assert!(begun.elapsed() >= long / 200, "{:?}", begun.elapsed());
    shop.app.stop().await;
}
