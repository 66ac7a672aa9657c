//! Requests that are checked against the schemas of their types.

use std::collections::BTreeMap;

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use framework_http::{Json, Path, Query, Stack, StackService, Valid};
use http::{Request, header};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt as _;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    #[schemars(length(min = 1, max = 3))]
    items: Vec<Item>,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    payment: Option<Payment>,
    #[serde(default)]
    labels: BTreeMap<String, u8>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Item {
    #[schemars(length(min = 1, max = 4), regex(pattern = r"\S"))]
    stock_unit: String,
    #[schemars(range(min = 1, max = 1000))]
    quantity: i64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "lowercase", deny_unknown_fields)]
enum Payment {
    Card { number: String },
    Invoice { days: u8 },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Page {
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    after: i64,
    #[serde(default)]
    all: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Place {
    #[schemars(length(max = 3))]
    shelf: String,
    #[schemars(range(min = 1))]
    id: u32,
}

fn router() -> StackService<Router> {
    let page = async |Valid(Query(page)): Valid<Query<Page>>| {
        format!("{:?} {} {}", page.limit, page.after, page.all)
    };
    let place =
        async |Valid(Path(place)): Valid<Path<Place>>| format!("{} {}", place.shelf, place.id);
    Stack::new().apply(
        Router::new()
            .route("/orders", post(async |Valid(Json(order)): Valid<Json<Order>>| Json(order)))
            .route("/unchecked/orders", post(async |Json(order): Json<Order>| Json(order)))
            .route("/unchecked/page", get(async |Query(page): Query<Page>| page.after.to_string()))
            .route("/unchecked/{id}", get(async |Path(id): Path<i64>| id.to_string()))
            .route("/page", get(page))
            .route("/places/{shelf}/{id}", get(place))
            .route(
                "/pairs/{a}/{b}",
                get(async |Valid(Path(pair)): Valid<Path<(u8, String)>>| format!("{pair:?}")),
            )
            .route("/ids/{id}", get(async |Valid(Path(id)): Valid<Path<i64>>| id.to_string())),
    )
}

async fn answer(request: Request<Body>) -> (u16, Value) {
    let response = router().oneshot(request).await.unwrap();
    let status = response.status();
    if !status.is_success() {
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = || String::from_utf8(body.to_vec()).unwrap().into();
    (status.as_u16(), serde_json::from_slice(&body).unwrap_or_else(|_| text()))
}

async fn order(body: impl Into<Body>) -> (u16, Value) {
    let request = Request::post("/orders").header("content-type", "application/json");
    answer(request.body(body.into()).unwrap()).await
}

/// The status, and each fault by its place.
fn faults((status, document): (u16, Value)) -> (u16, Vec<String>) {
    let errors = document["errors"].as_array().cloned().unwrap_or_default();
    let line = |error: Value| {
        let place =
            if error["pointer"].is_null() { &error["parameter"] } else { &error["pointer"] };
        format!("{} {}", place.as_str().unwrap_or("-"), error["detail"].as_str().unwrap())
    };
    (status, errors.into_iter().map(line).collect())
}

async fn get_faults(path: &str) -> (u16, Vec<String>) {
    faults(answer(Request::get(path).body(Body::empty()).unwrap()).await)
}

#[tokio::test]
async fn what_keeps_to_the_rules_is_read() {
    let good = r#"{"items":[{"stockUnit":"A","quantity":1}],"payment":{"by":"card","number":"1"},"labels":{"x":3}}"#;
    let (status, answer) = order(good).await;
    assert_eq!((status, &answer["items"][0]["stockUnit"]), (200, &"A".into()));
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_body_is_told_at_once() {
    let bad = r#"{
        "items": [{"stockUnit": "ABCDE", "quantity": 0}, {"quantity": "1", "qty": 1}, {"stockUnit": " ", "quantity": 1.5}],
        "note": 3, "labels": {"a/b": 256}, "nonsense": null
    }"#;
    let expected = [
        "/items/0/quantity must be from 1 to 1000",
        "/items/0/stockUnit must have at most 4 characters",
        "/items/1/stockUnit is missing",
        "/items/1/qty is not known",
        "/items/1/quantity must be a whole number",
        "/items/2/quantity must be a whole number",
        "/items/2/stockUnit must not be blank",
        "/labels/a~1b must be from 0 to 255",
        "/nonsense is not known",
        "/note must be text or `null`",
    ];
    let (status, faults) = faults(order(bad).await);
    assert_eq!((status, faults), (422, expected.map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn a_form_that_is_clearly_meant_says_what_is_wrong_with_it() {
    let with = async |payment: &str| {
        let item = r#"{"stockUnit":"A","quantity":1}"#;
        faults(order(format!(r#"{{"items":[{item}],"payment":{payment}}}"#)).await).1
    };
    assert_eq!(
        with(r#"{"by":"invoice","days":300}"#).await,
        ["/payment/days must be from 0 to 255"]
    );
    assert_eq!(with(r#"{"by":"invoice"}"#).await, ["/payment/days is missing"]);
    assert_eq!(with(r#"{"by":"cash"}"#).await, ["/payment has none of the forms that it can have"]);
    assert_eq!(with("7").await, ["/payment has none of the forms that it can have"]);
}

#[tokio::test]
async fn a_body_that_is_wrong_a_million_times_is_told_a_hundred_times() {
    let labels: Vec<_> = (0..10_000).map(|n| format!("\"{n}\":-1")).collect();
    let body = format!(r#"{{"items":[],"labels":{{{}}}}}"#, labels.join(","));
    assert_eq!(faults(order(body).await).1.len(), 100);
}

#[tokio::test]
async fn text_that_is_no_json_is_malformed_and_its_place_is_named() {
    let (status, document) = order("{\"items\":\n [,]}").await;
    assert_eq!(status, 400);
    let error = &document["errors"][0];
    assert_eq!((&error["line"], &error["column"]), (&2.into(), &3.into()));
    let plain = Request::post("/orders").header("content-type", "text/plain");
    assert_eq!(answer(plain.body(Body::from("{}")).unwrap()).await.0, 415);
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_query_is_told_at_once() {
    assert_eq!(get_faults("/page?after=-3&limit=7&all=true").await.0, 200);
    let expected = [
        "limit must be from 1 to 1000",
        "after is missing",
        "all must be `true` or `false`",
        "x is not known",
    ];
    let (status, mut faults) = get_faults("/page?limit=0&all=yes&x=1").await;
    faults.sort();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!((status, faults), (400, expected.into_iter().map(str::to_owned).collect()));
    let (status, faults) = get_faults("/page?after=9223372036854775808").await;
    assert_eq!(status, 400);
    assert_eq!(faults, ["after must be from -9223372036854775808 to 9223372036854775807"]);
}

#[tokio::test]
async fn parameters_of_the_path_are_named_however_they_are_read() {
    assert_eq!(get_faults("/places/a/1").await.0, 200);
    let (status, faults) = get_faults("/places/abcd/0").await;
    assert_eq!(status, 400);
    assert_eq!(faults, ["id must be at least 1", "shelf must have at most 3 characters"]);
    assert_eq!(get_faults("/pairs/7/8").await.0, 200);
    assert_eq!(get_faults("/pairs/300/x").await, (400, vec!["a must be from 0 to 255".to_owned()]));
    assert_eq!(get_faults("/ids/-9").await.0, 200);
    assert_eq!(get_faults("/ids/x").await, (400, vec!["id must be a whole number".to_owned()]));
    assert_eq!(get_faults("/places/%ff/1").await.0, 400);
}

/// Bytes as they come, and bytes that nearly are an order.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just(":".to_owned()),
        Just("null".to_owned()),
        Just("1e400".to_owned()),
        Just("\"items\"".to_owned()),
        Just("\"quantity\"".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just("-1".to_owned()),
        Just("\"stockUnit\"".to_owned()),
        Just("\"payment\"".to_owned()),
    ];
    let value = any::<i64>().prop_map(|n| n.to_string());
    let value =
        prop_oneof![value, Just("\"x\"".to_owned()), Just("[]".to_owned()), Just("{}".to_owned())];
    let nearly = proptest::collection::vec(
        (prop_oneof!["items", "note", "payment", "labels", ".*"], value),
        0..5,
    )
    .prop_map(|fields| {
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    });
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        proptest::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat().into_bytes()),
        nearly,
    ]
}

fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_comes_the_answer_is_what_was_asked_for_or_a_problem_document(
        body in bodies(),
        path in proptest::collection::vec(any::<u8>(), 1..20),
        query in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..30).prop_map(|bytes| encoded(&bytes)),
            "[a-z=&%0-9.+-]{0,40}",
            "(limit|after|all)=[-0-9a-z.]{0,25}&after=[0-9]{1,22}",
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let text = encoded(&path);
        let paths = [
            format!("/page?{query}"),
            format!("/unchecked/page?{query}"),
            format!("/ids/{text}"),
            format!("/unchecked/{text}"),
            format!("/places/{text}/{text}"),
            format!("/pairs/1/{text}"),
            format!("/pairs/{text}/1"),
        ];
        let gets = paths.iter().filter_map(|path| Request::get(path).body(Body::empty()).ok());
        let posts = ["/orders", "/unchecked/orders"].into_iter().map(|path| {
            let json = Request::post(path).header("content-type", "application/json");
            json.body(Body::from(body.clone())).unwrap()
        });
        let requests: Vec<_> = gets.chain(posts).collect();
        for request in requests {
            // `answer` holds it to the media type.
            let (status, document) = runtime.block_on(answer(request));
            prop_assert!([200, 400, 422].contains(&status), "{} {}", status, document);
            if status != 200 {
                prop_assert_eq!(&document["status"], status);
                prop_assert!(document["title"].is_string() && document["detail"].is_string());
                for error in document["errors"].as_array().into_iter().flatten() {
                    prop_assert!(error["detail"].is_string());
                    let pointer = error["pointer"].as_str();
                    prop_assert!(pointer.is_none_or(|it| it.is_empty() || it.starts_with('/')));
                }
            }
        }
    }
}
