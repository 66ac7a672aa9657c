//! What is published, where, and how often.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

use crate::{
    app::{ALLOWED, App},
    origin::{Origin, answer, rss},
};

async fn news(items: usize) -> Origin {
    Origin::start(ALLOWED, move |_, _: &HeaderMap| answer(200, &[], rss("News", items))).await
}

#[tokio::test]
async fn a_feed_is_published_as_a_clean_json_feed() {
    let origin = news(40).await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    let feed = app.client().add(&origin.url("/feed")).await.expect(201);

    let file = fs::read(dir.path().join("data/published/1.json")).unwrap();
    let published: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(published["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(published["feed_url"], origin.url("/feed"));
    let items = published["items"].as_array().unwrap();
    assert_eq!(items.len(), 40);
    let dates: Vec<_> = items.iter().map(|it| it["date_published"].as_str().unwrap()).collect();
    assert!(dates.is_sorted_by(|a, b| a >= b), "newest first: {dates:?}");
    assert_eq!(items[0]["content_html"], "<p>Text 27</p>");
    assert_eq!(items[0]["url"], origin.url("/items/27"));

    let answer = app.client().get("/feeds/1/optimized").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &file[..]));
    assert_eq!(answer.header("content-type"), "application/feed+json");
    assert_eq!(json!(answer.header("etag")), feed["published"]);
    let known = [("if-none-match", answer.header("etag"))];
    let again = app.client().send(Method::GET, "/feeds/1/optimized", &known, "").await;
    assert_eq!((again.status, again.body.len()), (304, 0));

    let wanted = [("accept-encoding", "gzip")];
    let packed = app.client().send(Method::GET, "/feeds/1/optimized", &wanted, "").await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_ne!(packed.header("etag"), answer.header("etag"));
    let unpacked = std::io::read_to_string(GzDecoder::new(&packed.body[..])).unwrap();
    assert_eq!(unpacked.as_bytes(), file);
}

#[tokio::test]
async fn what_is_removed_is_gone_from_everywhere() {
    let origin = news(40).await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    app.client().add(&origin.url("/feed")).await.expect(201);
    assert_eq!(app.client().delete("/feeds/1").await.status, 204);
    assert_eq!(fs::read_dir(dir.path().join("data/published")).unwrap().count(), 0);
    for path in ["/feeds/1", "/feeds/1/items", "/feeds/1/optimized"] {
        app.client().get(path).await.expect(404);
    }
    app.client().delete("/feeds/1").await.expect(404);
    app.client().post("/feeds/1/refresh").await.expect(404);
    assert_eq!(app.client().add(&origin.url("/feed")).await.expect(201)["id"], 2);
}

/// A stand-in for a bucket's service.
#[derive(Clone, Default)]
struct Bucket {
    objects: Arc<Mutex<BTreeMap<String, (HeaderMap, Bytes)>>>,
    writes: Arc<Mutex<Vec<String>>>,
}

impl Bucket {
    async fn start(&self) -> (String, JoinSet<()>) {
        let listener = TcpListener::bind((ALLOWED, 0)).await.expect("there is a port");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let router = Router::new().route("/{*key}", any(serve)).with_state(self.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        (url, serving)
    }

    fn writes(&self) -> Vec<String> {
        self.writes.lock().expect("nobody panics with it").clone()
    }
}

async fn serve(
    State(bucket): State<Bucket>,
    Path(key): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("it comes in whole").to_bytes();
    let signature =
        parts.headers.get("authorization").map_or("", |it| it.to_str().expect("it is text"));
    let signed = signature.starts_with("AWS4-HMAC-SHA256 Credential=the-key/")
        && signature.contains("/auto/s3/aws4_request")
        && parts.headers.contains_key("x-amz-content-sha256");
    if !signed {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut objects = bucket.objects.lock().expect("nobody panics with it");
    match parts.method {
        Method::PUT => {
            bucket.writes.lock().expect("nobody panics with it").push(key.clone());
            objects.insert(key, (parts.headers, body));
            [("etag", "\"e\"")].into_response()
        }
        Method::DELETE => {
            objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => match objects.get(&key) {
            // A server sends no body after HEAD, and its length all the same.
            Some((_, body)) => {
                let date = "Mon, 01 Jan 2024 10:00:00 GMT";
                ([("etag", "\"e\""), ("last-modified", date)], body.clone()).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

#[tokio::test]
async fn a_bucket_is_written_to_when_something_has_changed_and_only_then() {
    let (bucket, origin) = (Bucket::default(), news(40).await);
    let (endpoint, _serving) = bucket.start().await;
    let dir = tempfile::tempdir().unwrap();
    let keys = [
        "feeds.publish.url=s3://news/feeds",
        &format!("feeds.publish.s3.endpoint={endpoint}"),
        "feeds.publish.s3.region=auto",
        "feeds.publish.s3.access_key_id=the-key",
        "feeds.publish.s3.secret_access_key=the-secret",
    ];
    let app = App::start_with(dir.path(), &keys).await;
    let feed = app.client().add(&origin.url("/feed")).await.expect(201);
    assert_eq!(bucket.writes(), ["news/feeds/1.json.gz", "news/feeds/1.json"]);
    {
        let objects = bucket.objects.lock().unwrap();
        let (headers, _) = &objects["news/feeds/1.json.gz"];
        assert_eq!(headers["content-type"], "application/feed+json");
        assert_eq!(headers["content-encoding"], "gzip");
    }
    // It is sent again, is the same, and is not written again.
    app.client().post("/feeds/1/refresh").await.expect(200);
    assert_eq!(origin.counts().came, 2);
    assert_eq!(bucket.writes().len(), 2);
    let published = app.client().get("/feeds/1/optimized").await;
    assert_eq!(json!(published.header("etag")), feed["published"]);

    // What somebody removed is written again.
    bucket.objects.lock().unwrap().clear();
    app.client().get("/feeds/1/optimized").await.expect(404);
    app.client().post("/feeds/1/refresh").await.expect(200);
    assert_eq!(bucket.writes().len(), 4);
    assert_eq!(app.client().delete("/feeds/1").await.status, 204);
    assert!(bucket.objects.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_feed_that_cannot_be_published_is_kept_for_later() {
    let origin = news(1).await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    // A folder where the file should be.
    let obstacle = dir.path().join("data/published/1.json/x");
    fs::create_dir_all(&obstacle).unwrap();
    let feed = app.client().add(&origin.url("/feed")).await.expect(201);
    assert_eq!((&feed["published"], &feed["refreshed_at"]), (&json!(null), &json!(null)));
    assert!(feed["last_error"].as_str().unwrap().starts_with("the store could not write"));
    app.client().post("/feeds/1/refresh").await.expect(503);

    fs::remove_dir_all(obstacle.parent().unwrap()).unwrap();
    let feed = app.client().post("/feeds/1/refresh").await.expect(200);
    assert!(feed["published"].is_string(), "{feed}");
    assert_eq!((&feed["failures"], &feed["last_error"]), (&json!(0), &json!(null)));
}

#[tokio::test]
async fn a_feed_that_is_removed_while_it_is_refreshed_leaves_nothing_behind() {
    let places = Arc::new(Semaphore::new(1));
    let gate = Arc::clone(&places);
    let origin = Origin::start_slow(ALLOWED, move |_, _| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            gate.acquire().await.expect("it is never closed").forget();
            answer(200, &[], rss("News", 40))
        })
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    app.client().add(&origin.url("/feed")).await.expect(201);
    let remove = async {
        origin.until(|counts| counts.there == 1).await;
        assert_eq!(app.client().delete("/feeds/1").await.status, 204);
        places.add_permits(1);
    };
    let (refreshed, ()) = tokio::join!(app.client().post("/feeds/1/refresh"), remove);
    refreshed.expect(404);
    assert_eq!(fs::read_dir(dir.path().join("data/published")).unwrap().count(), 0);
}
