//! What the README shows.

use std::{fs, path::Path};

use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::{
    app::{ALLOWED, App},
    origin::{Origin, answer, rss},
};

/// The blocks of commands in the README, each line that begins with `curl`.
fn commands() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("it can be read").replace("\\\n", "");
    let lines = readme.lines().filter(|line| line.starts_with("curl "));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The method and the path of a command, and the status that it shows.
fn parts(command: &str) -> (Method, String, u16) {
    let (command, comment) = command.split_once(" # ").expect("each shows its status");
    let method = match command.split_once("-X ") {
        Some((_, rest)) => rest.split(' ').next().expect("it is one").parse().expect("it is one"),
        None if command.contains(" -d ") || command.contains("--data") => Method::POST,
        None => Method::GET,
    };
    let (_, rest) = command.split_once("127.0.0.1:8080").expect("each is for the application");
    let path = rest.split([' ', '\'', '"']).next().expect("split gives one part at least");
    let status = comment.split(' ').next().expect("it is one").parse().expect("it is one");
    (method, path.to_owned(), status)
}

#[tokio::test]
async fn in_an_empty_directory_the_walk_through_of_the_readme_works() {
    let origin = Origin::start(ALLOWED, |_, _: &HeaderMap| answer(200, &[], rss("News", 30))).await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    let commands = commands();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in &commands {
        let (method, path, status) = parts(command);
        let answer = match (&method, path.as_str()) {
            (&Method::POST, "/feeds/parse") => {
                let kind = "content-type: application/rss+xml";
                assert!(command.contains(kind), "{command}");
                let broken = command.contains("oops");
                let rss = if broken { "<rss version='2.0'><oops>".into() } else { rss("News", 1) };
                app.client().parse("application/rss+xml", rss).await
            }
            (&Method::POST, "/feeds") if command.contains("127.0.0.1/") => {
                app.client().add("http://127.0.0.1/").await
            }
            // Nothing in a test is fetched from the Internet.
            (&Method::POST, "/feeds") => app.client().add(&origin.url("/feed")).await,
            _ => app.client().send(method, &path, &[], "").await,
        };
        assert_eq!(answer.status, status, "{command}\n{answer:?}");
    }
    assert!(dir.path().join("data/feeds.db").is_file());
    assert!(dir.path().join("data/published").is_dir());
}

#[tokio::test]
async fn lists_are_told_page_by_page() {
    let origin =
        Origin::start(ALLOWED, |path: &str, _: &HeaderMap| answer(200, &[], rss(path, 5))).await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    for n in 1..=3 {
        app.client().add(&origin.url(&format!("/{n}"))).await.expect(201);
    }
    let pages = async |start: &str, field: &str| {
        let (mut path, mut pages) = (start.to_owned(), Vec::new());
        loop {
            let page = app.client().get(&path).await.expect(200);
            let items = page["items"].as_array().unwrap().iter();
            pages.push(items.map(|item| item[field].clone()).collect::<Vec<Value>>());
            path = match &page["next"] {
                Value::Null => return json!(pages),
                Value::String(next) => format!("{start}&after={next}"),
                next => format!("{start}&after={next}"),
            };
        }
    };
    assert_eq!(pages("/feeds?limit=2", "title").await, json!([["/1", "/2"], ["/3"]]));
    let newest_first = json!([["Item 4", "Item 3"], ["Item 2", "Item 1"], ["Item 0"]]);
    assert_eq!(pages("/feeds/1/items?limit=2", "title").await, newest_first);
    for path in ["/feeds?limit=0", "/feeds/1/items?limit=1001", "/feeds/1/items?after=x"] {
        app.client().get(path).await.expect(400);
    }
    app.client().get("/feeds/9/items").await.expect(404);
}
