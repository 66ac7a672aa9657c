//! Fetching: within limits of time, size and number, and no more often than needed.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::{body::Body, http::HeaderMap};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    app::{ALLOWED, App, in_time},
    origin::{Counts, Origin, answer, rss},
};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let origin = Origin::start(ALLOWED, |_, headers: &HeaderMap| {
        let known = headers.get("if-none-match").is_some_and(|tag| tag == "\"v1\"")
            && headers.get("if-modified-since").is_some_and(|date| date == "Mon, 01 Jan 2024");
        if known {
            return answer(304, &[], "");
        }
        let validators = [("etag", "\"v1\""), ("last-modified", "Mon, 01 Jan 2024")];
        answer(200, &validators, rss("News", 3))
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    let feed = app.client().add(&origin.url("/feed")).await.expect(201);
    let again = app.client().post("/feeds/1/refresh").await.expect(200);
    assert_eq!((&again["title"], &again["published"]), (&json!("News"), &feed["published"]));
    assert_ne!(again["refreshed_at"], feed["refreshed_at"]);
    let items = app.client().get("/feeds/1/items").await.expect(200);
    assert_eq!(items["items"].as_array().unwrap().len(), 3, "the items are still there");
    let asked: Vec<_> =
        origin.requests().iter().map(|it| it.1.get("if-none-match").cloned()).collect();
    assert_eq!(asked, [None, Some("\"v1\"".parse().unwrap())]);
}

#[tokio::test]
async fn a_feed_that_is_there_is_not_fetched_again() {
    let origin = Origin::start(ALLOWED, |_, _: &HeaderMap| answer(200, &[], rss("News", 1))).await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    let first = app.client().add(&origin.url("/feed")).await;
    assert_eq!(first.header("location"), "/feeds/1");
    let again = app.client().add(&origin.url("/feed#part")).await;
    assert_eq!(again.expect(200), first.expect(201));
    assert_eq!(origin.counts().came, 1);
}

#[tokio::test]
async fn packed_documents_are_unpacked_up_to_the_limit() {
    let origin = Origin::start(ALLOWED, |path: &str, headers: &HeaderMap| {
        assert_eq!(headers["accept-encoding"], "gzip");
        let packed = match path {
            "/bomb" => gzip(&vec![b' '; 64 * 1024 * 1024]),
            "/torn" => gzip(rss("News", 1).as_bytes())[..40].to_vec(),
            _ => gzip(rss("News", 1).as_bytes()),
        };
        let encoding = if path == "/other" { "br" } else { "gzip" };
        answer(200, &[("content-encoding", encoding)], packed)
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_with(dir.path(), &["feeds.max_document=1MiB"]).await;
    assert_eq!(app.client().add(&origin.url("/feed")).await.expect(201)["title"], "News");
    let bomb = app.client().add(&origin.url("/bomb")).await.expect(422);
    assert_eq!(bomb["detail"], "the document is larger than 1048576 bytes (`feeds.max_document`)");
    app.client().add(&origin.url("/torn")).await.expect(502);
    app.client().add(&origin.url("/other")).await.expect(502);
}

#[tokio::test]
async fn a_document_without_an_end_is_cut_at_the_limit() {
    let origin = Origin::start(ALLOWED, |path: &str, _: &HeaderMap| {
        let endless =
            stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 8192])));
        let body =
            if path == "/endless" { Body::from_stream(endless) } else { vec![0; 3 << 20].into() };
        answer(200, &[], body)
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_with(dir.path(), &["feeds.max_document=2MiB"]).await;
    for path in ["/endless", "/announced"] {
        let problem = app.client().add(&origin.url(path)).await.expect(422);
        assert!(problem["detail"].as_str().unwrap().contains("larger than 2097152 bytes"));
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let origin = Origin::start_slow(ALLOWED, |_, _| Box::pin(std::future::pending())).await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_with(dir.path(), &["feeds.fetch_timeout=300ms"]).await;
    app.client().add(&origin.url("/feed")).await.expect(504);
    // Whoever was given up has been hung up on, too.
    origin.until(|counts| counts.there == 0).await;
}

#[tokio::test]
async fn a_host_that_asks_to_be_left_alone_is() {
    let origin =
        Origin::start(ALLOWED, |_, _: &HeaderMap| answer(503, &[("retry-after", "120")], "")).await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    app.client().add(&origin.url("/a")).await.expect(502);
    let refused = app.client().add(&origin.url("/b")).await;
    refused.expect(503);
    let left: u64 = refused.header("retry-after").parse().unwrap();
    assert!((60..=120).contains(&left), "{left}");
    assert_eq!(origin.counts().came, 1);
}

#[tokio::test]
async fn no_more_are_fetched_at_a_time_than_allowed() {
    let places = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&places);
    let origin = Origin::start_slow(ALLOWED, move |path, _| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            answer(200, &[], rss(&path, 1))
        })
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_with(dir.path(), &["feeds.max_concurrent_feeds=2"]).await;
    let mut adding = JoinSet::new();
    for n in 0..6 {
        let (client, url) = (app.client(), origin.url(&format!("/{n}")));
        adding.spawn(async move { client.add(&url).await });
    }
    origin.until(|counts| counts.there == 2).await;
    // As long as it takes to be asked this often, the others could come as well.
    for _ in 0..20 {
        app.client().get("/feeds").await.expect(200);
    }
    assert_eq!(origin.counts(), Counts { came: 2, there: 2, most: 2 });
    places.add_permits(6);
    for added in in_time(adding.join_all()).await {
        added.expect(201);
    }
    assert_eq!(origin.counts(), Counts { came: 6, there: 0, most: 2 });
}

#[tokio::test]
async fn what_is_no_feed_is_told_with_its_place_and_not_kept() {
    let good = Arc::new(AtomicBool::new(true));
    let is_good = Arc::clone(&good);
    let origin = Origin::start(ALLOWED, move |_, _: &HeaderMap| {
        let body =
            if is_good.load(Relaxed) { rss("News", 1) } else { "<rss version='2.0'>\n<x>".into() };
        answer(200, &[], body)
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    good.store(false, Relaxed);
    let problem = app.client().add(&origin.url("/feed")).await.expect(422);
    assert_eq!(problem["errors"][0]["line"], 2);
    let feeds = app.client().get("/feeds").await.expect(200);
    assert_eq!(feeds, json!({ "items": [], "next": null }));

    // A feed that is there keeps what it had, and says what is wrong.
    good.store(true, Relaxed);
    app.client().add(&origin.url("/feed")).await.expect(201);
    good.store(false, Relaxed);
    app.client().post("/feeds/1/refresh").await.expect(422);
    let feed = app.client().get("/feeds/1").await.expect(200);
    assert_eq!((&feed["title"], &feed["failures"]), (&json!("News"), &json!(1)));
    let error = feed["last_error"].as_str().unwrap();
    assert!(error.starts_with("line 2, column 4: the document ends before `</x>`"), "{error}");
    app.client().get("/feeds/1/optimized").await.headers["etag"].to_str().unwrap();
}
