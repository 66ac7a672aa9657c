use framework::core::RequestContext;

use super::*;

fn at(folder: &Path, file: &str) -> DatabaseSettings {
    let url = format!("sqlite://{}", folder.join(file).display());
    DatabaseSettings { url, ..DatabaseSettings::default() }
}

#[test]
fn the_path_of_the_file_is_what_follows_the_scheme() {
    assert_eq!(sqlite_file("sqlite://data/app.db").unwrap(), Path::new("data/app.db"));
    assert_eq!(sqlite_file("sqlite:///var/lib/app.db").unwrap(), Path::new("/var/lib/app.db"));
    assert_eq!(sqlite_file("sqlite:app.db").unwrap(), Path::new("app.db"));
}

#[test]
fn a_url_of_something_else_is_refused_without_its_password() {
    let refused = |url: &str| sqlite_file(url).unwrap_err().to_string();
    insta::assert_snapshot!(
        ["postgres://shop:secret@db/shop", "data/app.db", "sqlite://", "sqlite::memory:"]
            .map(refused)
            .join("\n"),
        @"
    `postgres://…@db/shop` cannot be used: only SQLite is supported: write `sqlite://` and the path of a file
    `data/app.db` cannot be used: only SQLite is supported: write `sqlite://` and the path of a file
    `sqlite://` cannot be used: there is no path in it: write `sqlite://data/app.db`
    `sqlite::memory:` cannot be used: the database must be a file
    "
    );
}

#[tokio::test]
async fn the_folder_is_made_where_it_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&at(dir.path(), "deep/down/app.db")).await.unwrap();
    database.ping().await.unwrap();
    assert!(dir.path().join("deep/down/app.db").is_file());
}

#[tokio::test]
async fn what_is_committed_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&at(dir.path(), "app.db")).await.unwrap();
    let mut tx = database.write().await.unwrap();
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(mode, "wal");
    let full: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(full, 2, "FULL");
}

#[tokio::test]
async fn readers_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&at(dir.path(), "app.db")).await.unwrap();
    let mut reader = database.read().await.unwrap();
    let error = sqlx::query("CREATE TABLE t (id)").execute(&mut *reader).await.unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
}

#[tokio::test]
async fn whoever_does_not_get_a_turn_is_told_that_the_database_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&at(dir.path(), "app.db")).await.unwrap();
    let _first = database.write().await.unwrap();
    // From here on nothing but the clock is waited for.
    tokio::time::pause();
    let error = database.write().await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    let problem = Problem::from(error);
    assert_eq!(problem.status(), 503);
    tokio::time::resume();
    database.read().await.expect("a reader does not wait for the writer");
}

#[tokio::test]
async fn whoever_works_for_a_request_does_not_wait_longer_than_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = at(dir.path(), "app.db");
    settings.acquire_timeout = Duration::from_secs(3600);
    let database = Database::open(&settings).await.unwrap();
    let _first = database.write().await.unwrap();
    let soon = tokio::time::Instant::now() + Duration::from_millis(50);
    let mut request = RequestContext::new("POST", None, "r-1".into()).deadline(Some(soon.into()));
    let mut turn = std::pin::pin!(database.write());
    let turn = std::future::poll_fn(|cx| request.in_scope(|| turn.as_mut().poll(cx)));
    let error = turn.await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&at(dir.path(), "app.db")).await.unwrap();
    let mut tx = database.write().await.unwrap();
    sqlx::query("CREATE TABLE t (id)").execute(&mut *tx).await.unwrap();
    drop(tx);
    let mut tx = database.write().await.unwrap();
    sqlx::query("CREATE TABLE t (id)").execute(&mut *tx).await.expect("it is not there yet");
}
