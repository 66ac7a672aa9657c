use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use framework_di::Inject;
use framework_http::{Dep, Json, Path, Query, Stack, StackService};
use http::Request;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tower::ServiceExt as _;

#[derive(Debug, Deserialize, Serialize)]
struct Order {
    items: Vec<Item>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Item {
    sku: String,
    quantity: u32,
}

#[derive(Debug, Deserialize)]
struct Page {
    limit: u32,
    after: Option<String>,
}

fn router() -> StackService<Router> {
    let page = async |Query(page): Query<Page>| format!("{} {:?}", page.limit, page.after);
    let pair = async |Path((shop, id)): Path<(String, u64)>| format!("{shop} {id}");
    Stack::new().apply(
        Router::new()
            .route("/orders", post(async |Json(order): Json<Order>| Json(order)))
            .route(
                "/optional",
                post(async |order: Option<Json<Order>>| order.is_some().to_string()),
            )
            .route("/orders/{id}", get(async |Path(id): Path<u64>| id.to_string()))
            .route("/shops/{shop}/orders/{id}", get(pair))
            .route("/page", get(page)),
    )
}

async fn answer(request: Request<Body>) -> (u16, String) {
    let response = router().oneshot(request).await.unwrap();
    let status = response.status();
    let kind = response.headers().get("content-type").cloned();
    if !status.is_success() {
        assert_eq!(kind.unwrap(), "application/problem+json");
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

async fn post_json(kind: &str, body: &'static str) -> (u16, String) {
    answer(Request::post("/orders").header("content-type", kind).body(Body::from(body)).unwrap())
        .await
}

async fn get_path(path: &str) -> (u16, String) {
    answer(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn json_goes_in_and_out() {
    let order = r#"{"items":[{"sku":"A","quantity":1}]}"#;
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"] {
        assert_eq!(post_json(kind, order).await, (200, order.to_owned()));
    }
}

#[tokio::test]
async fn text_that_is_no_json_is_malformed_and_the_position_is_named() {
    assert_eq!(
        post_json("application/json", "{\"items\":\n [,]}").await,
        (
            400,
            concat!(
                r#"{"type":"about:blank","title":"Bad Request","status":400,"#,
                r#""detail":"the body is not JSON","#,
                r#""errors":[{"column":3,"detail":"expected value","line":2}]}"#,
            )
            .to_owned(),
        ),
    );
    assert_eq!(post_json("application/json", "").await.0, 400);
    assert_eq!(post_json("application/json", r#"{"items":[]} x"#).await.0, 400);
}

#[tokio::test]
async fn json_of_another_shape_is_refused_with_the_way_to_the_field() {
    assert_eq!(
        post_json("application/json", r#"{"items":[{"sku":"A","quantity":-1}]}"#).await,
        (
            422,
            concat!(
                r#"{"type":"about:blank","title":"Unprocessable Entity","status":422,"#,
                r#""detail":"the body is JSON, and not what this operation takes","#,
                r#""errors":[{"column":34,"detail":"invalid value: integer `-1`, expected u32","#,
                r#""line":1,"pointer":"/items/0/quantity"}]}"#,
            )
            .to_owned(),
        ),
    );
    let (status, body) = post_json("application/json", r#"{"items":[{"sku":"A"}]}"#).await;
    assert_eq!(status, 422);
    let error = r#""detail":"is missing","line":1,"pointer":"/items/0/quantity""#;
    assert!(body.contains(error), "{body}");
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let refused = (
        415,
        concat!(
            r#"{"type":"about:blank","title":"Unsupported Media Type","status":415,"#,
            r#""detail":"the body must be JSON, with `content-type: application/json`"}"#,
        )
        .to_owned(),
    );
    assert_eq!(post_json("text/plain", "{}").await, refused);
    assert_eq!(post_json("text/x+json", "{}").await, refused);
    assert_eq!(answer(Request::post("/orders").body(Body::from("{}")).unwrap()).await, refused);
}

#[tokio::test]
async fn an_optional_body_may_be_missing_and_may_not_be_wrong() {
    let none = Request::post("/optional").body(Body::empty()).unwrap();
    assert_eq!(answer(none).await, (200, "false".to_owned()));
    let wrong = Request::post("/optional").header("content-type", "application/json");
    assert_eq!(answer(wrong.body(Body::from("{}")).unwrap()).await.0, 422);
}

#[tokio::test]
async fn a_wrong_parameter_of_the_path_is_named() {
    let refused = |parameter: &str, detail: &str| {
        let body = format!(
            concat!(
                r#"{{"type":"about:blank","title":"Bad Request","status":400,"#,
                r#""detail":"the path is not what this operation takes","#,
                r#""errors":[{{"detail":"{}","parameter":"{}"}}]}}"#,
            ),
            detail, parameter,
        );
        (400, body)
    };
    assert_eq!(get_path("/orders/7").await, (200, "7".to_owned()));
    assert_eq!(get_path("/orders/x").await, refused("id", "`x` is no `u64`"));
    assert_eq!(get_path("/shops/a/orders/-1").await, refused("id", "`-1` is no `u64`"));
    assert_eq!(get_path("/shops/%ff/orders/1").await, refused("shop", "is not UTF-8"));
}

#[tokio::test]
async fn a_wrong_parameter_of_the_query_is_named() {
    let refused = |error: &str| {
        let head = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"the query is not what this operation takes","errors":["#;
        (400, format!("{head}{error}]}}"))
    };
    assert_eq!(get_path("/page?limit=2&after=b%20c").await, (200, "2 Some(\"b c\")".to_owned()));
    assert_eq!(
        get_path("/page?limit=x").await,
        refused(r#"{"detail":"invalid digit found in string","parameter":"limit"}"#),
    );
    assert_eq!(get_path("/page").await, refused(r#"{"detail":"is missing","parameter":"limit"}"#));
}

#[tokio::test]
async fn one_service_can_be_taken_out_of_the_state() {
    #[derive(Clone, Inject)]
    struct Shop {
        name: Arc<str>,
    }
    let router = Router::new().route("/", get(async |Dep(name): Dep<str>| name.to_string()));
    let router = router.with_state(Shop { name: "corner".into() });
    let response = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "corner");
}

#[tokio::test]
async fn a_field_that_is_not_known_is_named_with_the_way_to_it() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(default)]
        inner: Option<Box<Self>>,
    }
    let refused = Json::<Strict>::from_slice(br#"{"inner":{"innner":null}}"#).unwrap_err();
    let text = refused.to_json();
    let error = r#""detail":"is not known","line":1,"pointer":"/inner/innner""#;
    assert!(text.contains(error), "{text}");
    assert!(Json::<Strict>::from_slice(br#"{"inner":null}"#).unwrap().0.inner.is_none());
}
