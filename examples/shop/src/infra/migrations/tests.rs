use super::*;
use crate::infra::DatabaseSettings;

const ONE: &[(&str, &str)] = &[("a", "CREATE TABLE a (id)")];
const TWO: &[(&str, &str)] = &[("a", "CREATE TABLE a (id)"), ("b", "CREATE TABLE b (id)")];
const CHANGED: &[(&str, &str)] = &[("a", "CREATE TABLE a (id, name)")];
const BROKEN: &[(&str, &str)] = &[("c", "CREATE TABLE c (id)"), ("d", "CREATE TABEL d (id)")];

async fn database(dir: &tempfile::TempDir) -> Database {
    let url = format!("sqlite://{}", dir.path().join("app.db").display());
    Database::open(&DatabaseSettings { url, ..DatabaseSettings::default() }).await.unwrap()
}

async fn tables(database: &Database) -> Vec<String> {
    let tables = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' \
         ORDER BY name",
    );
    tables.fetch_all(&mut *database.read().await.unwrap()).await.unwrap()
}

async fn migrate(
    database: &Database,
    module: &'static str,
    steps: &'static [(&'static str, &'static str)],
) -> Result<(), MigrationError> {
    run(database, &[(module, Migrations::new(steps))], true).await
}

#[tokio::test]
async fn each_step_is_taken_once_whenever_it_is_added() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir).await;
    migrate(&database, "one", ONE).await.unwrap();
    migrate(&database, "one", ONE).await.unwrap();
    assert_eq!(tables(&database).await, ["a"]);
    migrate(&database, "one", TWO).await.unwrap();
    assert_eq!(tables(&database).await, ["a", "b"]);
}

#[tokio::test]
async fn modules_count_their_steps_apart() {
    const OTHER: &[(&str, &str)] = &[("x", "CREATE TABLE x (id)")];
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir).await;
    let both = [("one", Migrations::new(ONE)), ("other-one", Migrations::new(OTHER))];
    run(&database, &both, true).await.unwrap();
    assert_eq!(tables(&database).await, ["a", "x"]);
}

#[tokio::test]
async fn a_failed_step_leaves_the_database_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir).await;
    let both = [("one", Migrations::new(ONE)), ("two", Migrations::new(BROKEN))];
    let error = run(&database, &both, true).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot bring the tables of `two` up to date");
    assert_eq!(tables(&database).await, [""; 0]);
}

#[tokio::test]
async fn a_released_step_that_was_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir).await;
    migrate(&database, "one", ONE).await.unwrap();
    migrate(&database, "one", CHANGED).await.unwrap_err();
}

#[tokio::test]
async fn an_older_program_refuses_newer_tables() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir).await;
    migrate(&database, "one", TWO).await.unwrap();
    migrate(&database, "one", ONE).await.unwrap_err();
}

#[tokio::test]
async fn without_migrating_tables_must_be_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir).await;
    migrate(&database, "one", ONE).await.unwrap();
    run(&database, &[("one", Migrations::new(ONE))], false).await.unwrap();
    let error = run(&database, &[("one", Migrations::new(TWO))], false).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tables of `one` are not up to date (1 of 2 steps); start once with `database.migrate` \
         on"
    );
    let error = run(&database, &[("one", Migrations::new(CHANGED))], false).await.unwrap_err();
    assert!(matches!(error, MigrationError::Failed { .. }), "{error}");
}
