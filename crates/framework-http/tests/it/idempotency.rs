use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, routing::post};
use framework_http::{IdempotencyLayer, MemoryIdempotencyStore, Problem, Stack, StackService};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::{sync::Notify, task::JoinSet};
use tower::ServiceExt as _;

#[derive(Default)]
struct Orders {
    made: AtomicUsize,
    entered: Notify,
    open: Notify,
}

/// Orders that are made once for each key. The body says how it goes.
fn orders(orders: &Arc<Orders>) -> StackService<Router> {
    let orders = Arc::clone(orders);
    let make = async move |body: String| {
        let number = orders.made.fetch_add(1, Ordering::Relaxed) + 1;
        match body.as_str() {
            "fail" => return Err(Problem::unavailable()),
            "refuse" => return Err(Problem::conflict()),
            "panic" => panic!("as asked"),
            "wait" => {
                orders.entered.notify_one();
                orders.open.notified().await;
            }
            _ => {}
        }
        Ok((StatusCode::CREATED, [("location", format!("/orders/{number}"))], number.to_string()))
    };
    let layer = IdempotencyLayer::new(MemoryIdempotencyStore::new());
    Stack::new().apply(Router::new().route("/orders", post(make)).layer(layer))
}

async fn send(
    service: &StackService<Router>,
    key: &str,
    body: &str,
    token: &str,
) -> Response<Body> {
    let request = Request::post("/orders").header("idempotency-key", key);
    let request = request.header("authorization", token).body(Body::from(body.to_owned()));
    service.clone().oneshot(request.unwrap()).await.unwrap()
}

async fn status(service: &StackService<Router>, key: &str, body: &str, token: &str) -> u16 {
    send(service, key, body, token).await.status().as_u16()
}

#[tokio::test]
async fn a_request_that_is_sent_again_gets_the_same_answer_and_is_not_done_again() {
    let made = Arc::new(Orders::default());
    let service = orders(&made);
    for again in [false, true, true] {
        let response = send(&service, "k", "one", "me").await;
        assert_eq!(
            (response.status(), &response.headers()["location"]),
            (StatusCode::CREATED, &"/orders/1".parse().unwrap())
        );
        assert_eq!(response.headers().contains_key("idempotency-replayed"), again);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "1");
    }
    assert_eq!(status(&service, "other", "one", "me").await, 201);
    assert_eq!(made.made.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_key_belongs_to_one_request_of_one_sender() {
    let service = orders(&Arc::default());
    assert_eq!(status(&service, "k", "one", "me").await, 201);
    assert_eq!(status(&service, "k", "two", "me").await, 422);
    assert_eq!(status(&service, "k", "one", "you").await, 422);
    for key in ["", " ", "a b", &"x".repeat(256)] {
        assert_eq!(status(&service, key, "one", "me").await, 400, "{key:?}");
    }
}

#[tokio::test]
async fn of_two_at_once_one_is_done_and_the_other_is_told_to_wait() {
    let made = Arc::new(Orders::default());
    let service = orders(&made);
    let (first, mut task) = (service.clone(), JoinSet::new());
    task.spawn(async move { status(&first, "k", "wait", "me").await });
    made.entered.notified().await;
    let second = send(&service, "k", "wait", "me").await;
    assert_eq!(
        (second.status().as_u16(), second.headers().contains_key("retry-after")),
        (409, true)
    );
    made.open.notify_one();
    assert_eq!(task.join_next().await.unwrap().unwrap(), 201);
    assert_eq!(status(&service, "k", "wait", "me").await, 201);
    assert_eq!(made.made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_failed_may_be_sent_again_and_what_was_refused_stays_so() {
    let made = Arc::new(Orders::default());
    let service = orders(&made);
    for (body, expected, times) in [("fail", 503, 2), ("panic", 500, 4), ("refuse", 409, 5)] {
        for _ in 0..2 {
            assert_eq!(status(&service, body, body, "me").await, expected);
        }
        assert_eq!(made.made.load(Ordering::Relaxed), times, "{body}");
    }
}

#[tokio::test]
async fn a_request_whose_client_is_gone_may_be_sent_again_at_once() {
    let made = Arc::new(Orders::default());
    let service = orders(&made);
    let mut task = JoinSet::new();
    let first = service.clone();
    task.spawn(async move { status(&first, "k", "wait", "me").await });
    made.entered.notified().await;
    task.shutdown().await;
    made.open.notify_one();
    assert_eq!(status(&service, "k", "wait", "me").await, 201);
}
