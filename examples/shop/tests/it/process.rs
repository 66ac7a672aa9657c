//! The process, as its operator meets it.

use std::{fs, path::Path, process::Stdio};

use crate::shop::{Shop, command, in_time};

/// Runs the shop to its end; its exit code, and what it said.
async fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let ended = in_time(command(dir).args(arguments).output()).await.expect("the binary was built");
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[tokio::test]
async fn a_database_that_is_not_supported_is_refused_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = run(dir.path(), &["--set", "database.url=postgres://db/shop"]).await;
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("database.url"), "{text}");
    assert!(text.contains("only SQLite is supported"), "{text}");
}

#[tokio::test]
async fn every_bad_key_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("config")).unwrap();
    let text =
        "[catalog]\npage_size = 0\n[ordering]\nmax_quantitty = 3\nidempotency_retention = \"1s\"\n";
    fs::write(dir.path().join("config/app.toml"), text).unwrap();
    let (code, text) = run(dir.path(), &[]).await;
    assert_eq!(code, Some(78), "{text}");
    for key in ["catalog.page_size", "ordering.max_quantity", "ordering.idempotency_retention"] {
        assert!(text.contains(key), "`{key}` in:\n{text}");
    }
}

#[tokio::test]
async fn checking_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = run(dir.path(), &["check"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "no database was made");
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
    for text in [&shipped, &all] {
        fs::write(dir.path().join("config/app.toml"), text).unwrap();
        assert_eq!(show().await, defaults);
    }
}

#[tokio::test]
async fn old_tables_are_refused_where_migrating_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = run(dir.path(), &["--set", "database.migrate=false"]).await;
    assert_eq!(code, Some(70), "{text}");
    assert!(text.contains("the tables of `catalog` are not up to date"), "{text}");
}

#[tokio::test]
async fn a_shop_whose_database_answers_becomes_ready() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    let mut client = shop.client();
    // As an orchestrator does: ask until it is ready, which takes the first health check.
    in_time(async { while client.get("/readyz").await.status != 200 {} }).await;
    for path in ["/livez", "/startupz", "/health"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
}
