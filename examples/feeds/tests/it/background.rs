//! The background, also of several processes on one database.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::http::HeaderMap;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::{
    app::{ALLOWED, App},
    origin::{Origin, answer, rss},
};

const FEEDS: usize = 12;

/// Who fetched what, and whether anybody else did at the same time, or too soon.
#[derive(Default)]
struct Ledger {
    under_way: HashMap<String, bool>,
    ended: HashMap<String, Instant>,
    faults: Vec<String>,
}

impl Ledger {
    fn begin(&mut self, path: &str) {
        if self.under_way.insert(path.to_owned(), true) == Some(true) {
            self.faults.push(format!("{path} was fetched twice at a time"));
        }
        // Less than the `cache_ttl` of one second, since a fetch ends before the feed is kept.
        let early = |ended: &Instant| ended.elapsed() < Duration::from_millis(950);
        if self.ended.get(path).is_some_and(early) {
            self.faults.push(format!("{path} was fetched again while it was fresh"));
        }
    }

    fn end(&mut self, path: &str) {
        self.under_way.insert(path.to_owned(), false);
        self.ended.insert(path.to_owned(), Instant::now());
    }
}

#[tokio::test]
async fn of_two_processes_each_feed_is_refreshed_by_one_at_a_time() {
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let book = Arc::clone(&ledger);
    let origin = Origin::start_slow(ALLOWED, move |path, _| {
        let book = Arc::clone(&book);
        Box::pin(async move {
            book.lock().unwrap().begin(&path);
            // A server takes its time, in which the other process could come as well.
            sleep(Duration::from_millis(100)).await;
            book.lock().unwrap().end(&path);
            answer(200, &[], rss(&path, 1))
        })
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    // Both make the database, at once.
    let keys = ["feeds.cache_ttl=1s"];
    let (one, other) =
        tokio::join!(App::start_with(dir.path(), &keys), App::start_with(dir.path(), &keys));
    for n in 0..FEEDS {
        let client = if n % 2 == 0 { one.client() } else { other.client() };
        client.add(&origin.url(&format!("/{n}"))).await.expect(201);
    }
    origin.until(|counts| counts.came >= 4 * FEEDS).await;
    assert_eq!(ledger.lock().unwrap().faults, [""; 0]);
    for app in [one, other] {
        // Whoever writes must never be kept waiting by others of its own process.
        assert!(!app.log().contains("too busy"), "{}", app.log());
        app.signal(Signal::TERM);
        assert_eq!(app.ended().await, Some(0));
    }
}

#[tokio::test]
async fn what_was_under_way_at_the_end_is_left_to_others() {
    let hangs = Arc::new(AtomicBool::new(false));
    let is_hanging = Arc::clone(&hangs);
    let origin = Origin::start_slow(ALLOWED, move |_, _| {
        let hangs = is_hanging.load(Relaxed);
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            answer(200, &[], rss("News", 1))
        })
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let keys = ["feeds.cache_ttl=1s", "feeds.fetch_timeout=60s"];
    let app = App::start_with(dir.path(), &keys).await;
    app.client().add(&origin.url("/feed")).await.expect(201);
    hangs.store(true, Relaxed);
    origin.until(|counts| counts.there == 1).await;
    app.client().post("/feeds/1/refresh").await.expect(409);
    let came = origin.counts().came;

    let stopped = Instant::now();
    app.signal(Signal::TERM);
    assert_eq!(app.ended().await, Some(0));
    assert!(stopped.elapsed() < Duration::from_secs(20), "nobody waited for the fetch");
    hangs.store(false, Relaxed);
    // The lease would have lasted for minutes.
    let _next = App::start_with(dir.path(), &keys).await;
    origin.until(|counts| counts.came > came).await;
}

#[tokio::test]
async fn how_long_a_feed_is_fresh_can_change_while_the_application_runs() {
    let origin = Origin::start(ALLOWED, |_, _: &HeaderMap| answer(200, &[], rss("News", 1))).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config/app.toml");
    fs::create_dir(dir.path().join("config")).unwrap();
    fs::write(&file, "[feeds]\ncache_ttl = \"1h\"\n").unwrap();
    let app = App::start(dir.path()).await;
    app.client().add(&origin.url("/feed")).await.expect(201);
    assert_eq!(origin.counts().came, 1);
    fs::write(&file, "[feeds]\ncache_ttl = \"1s\"\nmax_concurrent_feeds = 3\n").unwrap();
    app.signal(Signal::HUP);
    origin.until(|counts| counts.came >= 3).await;
}

#[tokio::test]
async fn a_host_that_asks_one_worker_for_a_pause_is_left_alone_by_all() {
    let origin = Origin::start(ALLOWED, |_, _| answer(503, &[("retry-after", "120")], "")).await;
    let dir = tempfile::tempdir().unwrap();
    let keys = ["telemetry.log.level=info,feeds=debug"];
    let app = App::start_cluster(dir.path(), 4, &keys).await;
    app.client().add(&origin.url("/feed")).await.expect(502);
    // Word of it is on its way to the other three.
    app.until_said("is to be left alone, another worker says", 3).await;
    // Each on a connection of its own, which any of the workers may get.
    for n in 0..40 {
        app.client().add(&origin.url(&format!("/{n}"))).await.expect(503);
    }
    assert_eq!(origin.counts().came, 1, "the host was asked again");
    app.signal(Signal::TERM);
    assert_eq!(app.ended().await, Some(0));
}
