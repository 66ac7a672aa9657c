//! What strangers may not have fetched.

use axum::http::HeaderMap;
use serde_json::json;

use crate::{
    app::{ALLOWED, App},
    origin::{Origin, answer, rss},
};

#[tokio::test]
async fn nothing_is_fetched_from_an_address_that_only_this_network_knows() {
    let feed = |_: &str, _: &HeaderMap| answer(200, &[], rss("Secret", 1));
    let origin = Origin::start([127, 0, 0, 1], feed).await;
    let port = origin.address.port();
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    for host in [
        "127.0.0.1",
        // A name, which the system knows.
        "localhost",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.0.1",
        "[fd00::1]",
        "[fe80::1]",
        "224.0.0.1",
    ] {
        let problem = app.client().add(&format!("http://{host}:{port}/")).await.expect(422);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("is not on the public Internet"), "{host}: {detail}");
        assert_eq!(problem["errors"][0]["pointer"], "/url");
    }
    assert_eq!(origin.counts().came, 0);
    assert_eq!(app.client().get("/feeds").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn what_is_no_address_of_the_web_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    let refused = async |url: &str| {
        let problem = app.client().add(url).await.expect(422);
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], "/url");
        error["detail"].as_str().unwrap().to_owned()
    };
    insta::assert_snapshot!(
        [
            refused("").await,
            refused("feed.xml").await,
            refused("file:///etc/passwd").await,
            refused("gopher://127.0.0.1:70/").await,
            refused("http://").await,
            refused("http://user:secret@example.com/").await,
            refused(&format!("http://example.com/{}", "a".repeat(2048))).await,
        ]
        .join("\n"),
        @"
    must not be empty
    `feed.xml` is no address: relative URL without a base
    `file` is not fetched, only `http` and `https`
    `gopher` is not fetched, only `http` and `https`
    `http://` is no address: empty host
    the address has credentials in it
    must have at most 2048 characters
    "
    );
}

#[tokio::test]
async fn a_redirect_is_checked_like_any_address() {
    let secret = |_: &str, _: &HeaderMap| answer(200, &[], rss("Secret", 1));
    let private = Origin::start([127, 0, 0, 1], secret).await;
    let target = private.url("/");
    let origin = Origin::start(ALLOWED, move |path: &str, _: &HeaderMap| {
        let to = match path {
            "/private" => target.as_str(),
            "/named" => "http://localhost/",
            "/file" => "file:///etc/passwd",
            "/loop" => "/loop",
            "/moved" => "feed",
            "/nowhere" => return answer(302, &[], ""),
            _ => return answer(200, &[], rss("News", 1)),
        };
        answer(302, &[("location", to)], "")
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    for path in ["/private", "/named", "/file", "/nowhere"] {
        app.client().add(&origin.url(path)).await.expect(422);
    }
    assert_eq!(private.counts().came, 0);

    let before = origin.counts().came;
    let problem = app.client().add(&origin.url("/loop")).await.expect(422);
    assert_eq!(problem["detail"], "there were more than 5 redirects in a row (`feeds.redirects`)");
    assert_eq!(origin.counts().came - before, 6);

    let feed = app.client().add(&origin.url("/moved")).await.expect(201);
    assert_eq!((&feed["title"], &feed["url"]), (&json!("News"), &json!(origin.url("/moved"))));
    let items = app.client().get("/feeds/1/items").await.expect(200);
    assert_eq!(items["items"][0]["url"], origin.url("/items/0"), "links are read from the end");
}
