//! The process, as its operator meets it.

use std::{fs, path::Path, process::Stdio};

use crate::app::{App, command, in_time};

/// Runs the application to its end; its exit code, and what it said.
async fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let ended = in_time(command(dir).args(arguments).output()).await.expect("the binary was built");
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[tokio::test]
async fn checking_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = run(dir.path(), &["check"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "no database was made");
}

#[tokio::test]
async fn every_bad_key_is_told_at_once_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("config")).unwrap();
    let text = "[feeds]\nmax_concurrent_feeds = 0\ncache_tll = \"1h\"\nredirects = 21\n\
        [feeds.publish]\nurl = \"s3://news\"\ns3 = { secret_access_key = \"hunter2\" }\n\
        [database]\nurl = \"postgres://db/feeds\"\n";
    fs::write(dir.path().join("config/app.toml"), text).unwrap();
    let (code, text) = run(dir.path(), &[]).await;
    assert_eq!(code, Some(78), "{text}");
    for key in [
        "feeds.max_concurrent_feeds",
        "feeds.cache_ttl",
        "feeds.redirects",
        "feeds.publish.s3.access_key_id",
        "database.url",
    ] {
        assert!(text.contains(key), "`{key}` in:\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn the_example_configuration_says_what_holds_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/app.toml");
    let shipped = fs::read_to_string(shipped).unwrap();
    // With every key that is commented out taken in, too.
    let all: String = shipped
        .lines()
        .map(|line| {
            let key = line.strip_prefix("# ").filter(|key| key.contains(" = "));
            key.unwrap_or(line).to_owned() + "\n"
        })
        .collect();
    fs::create_dir(dir.path().join("config")).unwrap();
    let show = async || {
        let mut show = command(dir.path());
        let show = show.args(["config", "show"]).stdout(Stdio::piped());
        let show = in_time(show.output()).await.unwrap();
        assert!(show.status.success(), "{}", String::from_utf8_lossy(&show.stderr));
        String::from_utf8(show.stdout).unwrap()
    };
    let defaults = show().await;
    assert!(defaults.contains("max_concurrent_feeds"), "{defaults}");
    for text in [&shipped, &all] {
        fs::write(dir.path().join("config/app.toml"), text).unwrap();
        assert_eq!(show().await, defaults);
    }
}

#[tokio::test]
async fn an_application_whose_database_answers_becomes_ready() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    // As an orchestrator does: ask until it is ready, which takes the first health check.
    in_time(async { while app.client().get("/readyz").await.status != 200 {} }).await;
    assert_eq!(app.client().get("/health").await.status, 200);
}

#[tokio::test]
async fn a_dump_has_what_modules_say_of_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start(dir.path()).await;
    in_time(async { while app.client().get("/readyz").await.status != 200 {} }).await;
    let mut dump = command(dir.path());
    let dump = in_time(dump.arg("dump").stdout(Stdio::piped()).output()).await.unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let file = dir.path().join(String::from_utf8(dump.stdout).unwrap().trim());
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(file).unwrap();
    let dump: serde_json::Value = serde_json::from_str(&text).unwrap();
    let said = &dump["inspections"];
    assert!(said["resources"]["memory"]["rss_bytes"].as_u64().is_some_and(|it| it > 0), "{said:#}");
    assert!(said["worker-pool"]["workers"].as_u64().is_some_and(|it| it > 0), "{said:#}");
}
