//! `POST /feeds/parse`: documents in, one form out, and every way to get it wrong.

use std::fmt::Write as _;

use axum::http::{Request, header};
use framework::testing::{TestApp, TestResponse};
use serde_json::{Value, json};

/// The application without a socket, in a directory of its own.
async fn app(dir: &tempfile::TempDir) -> TestApp {
    let at = |path: &str| dir.path().join(path).display().to_string();
    TestApp::builder(feeds::app())
        .set(format!("database.url=sqlite://{}", at("feeds.db")))
        .set(format!("feeds.publish.url=file://{}", at("published")))
        .start()
        .await
}

async fn parse(app: &TestApp, kind: &str, body: impl Into<Vec<u8>>) -> TestResponse {
    let request = Request::post("/feeds/parse").header(header::CONTENT_TYPE, kind);
    app.call(request.body(body.into()).expect("it is a request")).await
}

/// A refusal in a line: status, detail, place and reason, element.
fn refusal(answer: &TestResponse) -> String {
    let document = answer.assert_problem(answer.status().as_u16());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut line = format!("{} {}", document["status"], text(&document["detail"]));
    for error in document["errors"].as_array().into_iter().flatten() {
        let (place, reason) = ((&error["line"], &error["column"]), text(&error["detail"]));
        write!(line, " [{}:{} {reason}]", place.0, place.1).expect("memory does not fail");
    }
    if let Some(element) = document["element"].as_str() {
        write!(line, " in `{element}`").expect("memory does not fail");
    }
    line
}

#[tokio::test]
async fn a_document_comes_out_in_the_one_form() {
    const ATOM: &str = r#"<?xml version="1.0" encoding="utf-8"?>
        <feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">
        <title type="html">Tom &amp;amp; <![CDATA[<b>Jerry</b>]]></title>
        <link href="https://example.com/"/>
        <author><name>Tom</name></author>
        <entry><id>old</id><title>Old</title><updated>2023-01-01T00:00:00+02:00</updated></entry>
        <entry><id>new</id><title>New</title><published>2024-05-06T07:08:09Z</published>
          <link href="posts/1?utm_medium=feed&amp;id=7"/>
          <content type="html">&lt;a href="/x" onclick="y()"&gt;z&lt;/a&gt;&lt;script&gt;1&lt;/script&gt;</content>
          <link rel="enclosure" type="audio/mpeg" length="9" href="https://cdn.example.com/a.mp3"/>
        </entry>
        <entry><id>new</id><title>Again</title></entry>
        </feed>"#;
    let dir = tempfile::tempdir().unwrap();
    let app = app(&dir).await;
    let answer = parse(&app, "application/atom+xml", ATOM).await;
    let expected = json!({
        "format": "atom",
        "title": "Tom & Jerry",
        "home_page_url": "https://example.com/",
        "language": "en",
        "authors": [{ "name": "Tom" }],
        "items": [
            {
                "id": "new",
                "url": "https://example.com/posts/1?id=7",
                "title": "New",
                "content_html": "<a href=\"https://example.com/x\" rel=\"noopener noreferrer\">z</a>",
                "date_published": "2024-05-06T07:08:09Z",
                "attachments": [{
                    "url": "https://cdn.example.com/a.mp3",
                    "mime_type": "audio/mpeg",
                    "size_in_bytes": 9,
                }],
            },
            { "id": "old", "title": "Old", "date_modified": "2022-12-31T22:00:00Z" },
        ],
    });
    assert_eq!(answer.assert_status(200).json::<Value>(), expected);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn an_item_without_an_id_has_the_same_one_each_time() {
    const RSS: &str = "<rss version='2.0'><channel><item><title>a</title></item>\
        <item><description>b</description></item></channel></rss>";
    let dir = tempfile::tempdir().unwrap();
    let app = app(&dir).await;
    let ids = async || {
        let document: Value = parse(&app, "text/xml", RSS).await.assert_status(200).json();
        [document["items"][0]["id"].clone(), document["items"][1]["id"].clone()]
    };
    let first = ids().await;
    assert_ne!(first[0], first[1]);
    assert_eq!(ids().await, first);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_feed_is_refused_with_the_place_and_the_reason() {
    const JSON_FEED: &str = "application/feed+json";
    let dir = tempfile::tempdir().unwrap();
    let app = app(&dir).await;
    let refused = async |kind: &str, body: &str| refusal(&parse(&app, kind, body).await);
    insta::assert_snapshot!(
        [
            refused("application/xml", "").await,
            refused("application/xml", "hello").await,
            refused("text/html", "<rss version='2.0'/>").await,
            refused("application/x-www-form-urlencoded", "a=b").await,
            refused("text/xml", "<html><body/></html>").await,
            refused("text/xml", "<rss version='0.5'/>").await,
            refused("text/xml", "<rss version='2.0'>\n  <channel>\n    <title>a</titel>").await,
            refused("text/xml", "<rss version='2.0'><channel>\n<item>").await,
            refused("text/xml", "<rss version='2.0'>\n</rss>").await,
            refused("text/xml", "<rss version='2.0'><channel><title>a & b</title>").await,
            refused("text/xml", "<rss version='2.0'><channel><title>&#xffffffff;</title>").await,
            refused("text/xml", "<rss version='2.0'><?xml version='1.0' encoding='x'?></rss>").await,
            refused(JSON_FEED, "{\n  \"version\": \n}").await,
            refused(JSON_FEED, "{\"title\": \"a\"}").await,
            refused(JSON_FEED, "{\"version\": \"2\", \"title\": \"\", \"items\": []}").await,
            refused(JSON_FEED, "{\"items\": 7}").await,
        ]
        .join("\n"),
        @"
    422 there is no document [1:1 there is nothing in it]
    422 the document is no feed: neither RSS, nor Atom, nor JSON Feed [1:1 a feed begins with `<` or `{`]
    415 `text/html` is no media type of feeds, such as `application/atom+xml`, `application/feed+json`, `application/json`, `application/rss+xml`, `application/xml`, `text/xml`
    415 `application/x-www-form-urlencoded` is no media type of feeds, such as `application/atom+xml`, `application/feed+json`, `application/json`, `application/rss+xml`, `application/xml`, `text/xml`
    422 the document is no feed: neither RSS, nor Atom, nor JSON Feed [1:1 `html` is not the root of a feed, which is `rss`, `feed` or `RDF`] in `html`
    422 the document is no feed: neither RSS, nor Atom, nor JSON Feed [1:1 the version `0.5` of RSS is not known] in `rss`
    422 the document is malformed [3:13 ill-formed document: expected `</title>`, but `</titel>` was found] in `title`
    422 the document is malformed [2:7 the document ends before `</item>`] in `item`
    422 the document is malformed [1:1 there is no `channel`]
    422 the document is malformed [1:38 ill-formed document: entity or character reference not closed: `;` not found before end of input] in `title`
    422 the document is malformed [1:36 invalid character reference: `4294967295` is not a valid codepoint] in `title`
    422 the document is malformed [1:20 an XML declaration stands at the beginning] in `rss`
    422 the document is malformed [3:1 expected value]
    422 the document is no feed: neither RSS, nor Atom, nor JSON Feed [1:14 missing field `version`]
    422 the document is no feed: neither RSS, nor Atom, nor JSON Feed [1:2 `2` is no version of JSON Feed that is known]
    422 the document is no feed: neither RSS, nor Atom, nor JSON Feed [1:12 invalid type: integer `7`, expected a sequence]
    "
    );
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_asks_for_too_much_is_refused_before_it_costs_much() {
    const LAUGHS: &str = "<!DOCTYPE rss [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>\
        <rss version='2.0'><channel><title>&b;</title></channel></rss>";
    let dir = tempfile::tempdir().unwrap();
    let app = app(&dir).await;
    let within = |body: &str| format!("<rss version='2.0'><channel>{body}</channel></rss>");
    let attributes: String = (0..70).map(|n| format!(" a{n}=''")).collect();
    let json_items = format!("{{\"items\": [{}{{}}]}}", "{},".repeat(10_000));
    let refused = async |body: &str| refusal(&parse(&app, "application/xml", body).await);
    insta::assert_snapshot!(
        [
            refused(LAUGHS).await,
            refused(&within(&"<a>".repeat(200))).await,
            refused(&within(&"<item/>".repeat(10_001))).await,
            refused(&within(&"<a/>".repeat(250_001))).await,
            refused(&within(&format!("<a{attributes}/>"))).await,
            refused(&"{\"a\":".repeat(200)).await,
            refused(&json_items).await,
            refused(&format!("{{\"a\": [{}0]}}", "0,".repeat(250_000))).await,
            refused(&" ".repeat(3 * 1024 * 1024)).await,
        ]
        .join("\n"),
        @"
    422 the document asks for more than is spent on one feed [1:1 a feed may not declare entities of its own]
    422 the document asks for more than is spent on one feed [1:407 elements are nested deeper than 128] in `a`
    422 the document asks for more than is spent on one feed [1:70029 there are more than 10000 items] in `channel`
    422 the document asks for more than is spent on one feed [1:1000021 there are more than 250000 elements] in `channel`
    422 the document asks for more than is spent on one feed [1:29 `a` has more than 64 attributes] in `channel`
    422 the document asks for more than is spent on one feed [1:636 recursion limit exceeded]
    422 the document asks for more than is spent on one feed [1:30014 there are more than 10000 items]
    422 the document asks for more than is spent on one feed [1:500003 there are more than 250000 values]
    413 the body is larger than 2097152 bytes
    "
    );
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_packed_body_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let app = app(&dir).await;
    let request = Request::post("/feeds/parse").header(header::CONTENT_ENCODING, "gzip");
    let answer = app.call(request.body("x").unwrap()).await;
    assert_eq!(refusal(&answer), "415 the body must not be packed, and it is: `gzip`");
    app.stop().await.unwrap();
}

/// Each operation with the statuses that it may answer with, a line each.
fn operations(document: &Value) -> String {
    let fields = |value: &Value| value.as_object().cloned().expect("it is an object");
    let mut lines = Vec::new();
    for (path, methods) in fields(&document["paths"]) {
        for (method, operation) in fields(&methods) {
            let answers: Vec<_> =
                fields(&operation["responses"]).into_iter().map(|it| it.0).collect();
            lines.push(format!("{} {path}: {}", method.to_uppercase(), answers.join(" ")));
        }
    }
    lines.join("\n")
}

#[tokio::test]
async fn the_document_of_the_interface_names_every_operation_and_explains_everything() {
    let dir = tempfile::tempdir().unwrap();
    let app = app(&dir).await;
    let document: Value = app.get("/openapi.json").await.json();
    insta::assert_snapshot!(operations(&document), @"
    GET /feeds: 200 400 500 503
    POST /feeds: 200 201 400 408 413 415 422 500 502 503 504
    POST /feeds/parse: 200 400 408 413 415 422 500 503
    DELETE /feeds/{id}: 204 400 404 500 503
    GET /feeds/{id}: 200 400 404 500 503
    GET /feeds/{id}/items: 200 400 404 500 503
    GET /feeds/{id}/optimized: 200 304 400 404 500 503
    POST /feeds/{id}/refresh: 200 400 404 409 422 500 502 503 504
    ");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{name}.{field}");
        }
    }
    app.stop().await.unwrap();
}
