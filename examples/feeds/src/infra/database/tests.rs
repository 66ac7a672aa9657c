use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinSet};

use super::*;

fn at(folder: &Path) -> DatabaseSettings {
    let url = format!("sqlite://{}", folder.join("deep/down/feeds.db").display());
    DatabaseSettings { url, ..DatabaseSettings::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn many_open_a_new_file_at_once_and_all_of_them_find_its_tables() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let (mut opening, start) = (JoinSet::new(), Arc::new(Barrier::new(8)));
        for _ in 0..8 {
            let (settings, start) = (at(dir.path()), Arc::clone(&start));
            opening.spawn(async move {
                start.wait().await;
                Database::open(&settings).await
            });
        }
        for opened in opening.join_all().await {
            opened.expect("it waits for the others").ping().await.expect("the tables are there");
        }
    }
}

#[tokio::test]
async fn tables_of_a_newer_program_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&at(dir.path())).await.unwrap();
    let mut tx = database.write().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations VALUES (99, 'newer', 0, TRUE, x'00', 0)";
    sqlx::query(newer).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    database.close().await;
    let error = Database::open(&at(dir.path())).await.unwrap_err();
    assert!(matches!(error, OpenError::Migrate { .. }), "{error}");
}

#[tokio::test]
async fn without_migrating_tables_must_be_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let settings = DatabaseSettings { migrate: false, ..at(dir.path()) };
    let error = Database::open(&settings).await.unwrap_err();
    assert!(matches!(error, OpenError::Pending { .. }), "{error}");
    Database::open(&at(dir.path())).await.unwrap().close().await;
    Database::open(&settings).await.expect("the tables are there now");
}

#[tokio::test]
async fn readers_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&at(dir.path())).await.unwrap();
    let mut reader = database.read().await.unwrap();
    let error = sqlx::query("DELETE FROM feeds").execute(&mut *reader).await.unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
}

#[test]
fn a_url_of_something_else_is_refused() {
    for url in ["postgres://db/feeds", "data/feeds.db", "sqlite://", "sqlite://a.db?mode=ro"] {
        let settings = DatabaseSettings { url: url.to_owned(), ..DatabaseSettings::default() };
        assert!(settings.file().is_err(), "{url}");
    }
}
