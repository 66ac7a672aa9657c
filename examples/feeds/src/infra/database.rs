use std::{fs, path::Path, time::Duration};

use framework::prelude::*;
use sqlx::{
    SqlSafeStr as _, Sqlite, Transaction,
    migrate::{Migration, MigrationType, Migrator},
    pool::PoolConnection,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    },
};
use tokio::time::{Instant, sleep};

use super::{DatabaseSettings, OpenError, StoreError, error::is_busy};

/// How long a connection waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long opening waits for other processes that open the same new file.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);

/// The steps that make the tables, oldest first. A step that was once released is never changed;
/// what comes next is added at the end.
const STEPS: &[(&str, &str)] = &[("feeds", include_str!("../../migrations/1_feeds.sql"))];

/// A connection that reads.
pub type Reader = PoolConnection<Sqlite>;

/// A transaction that may write; dropped without a commit, it leaves nothing behind.
pub type WriteTx = Transaction<'static, Sqlite>;

/// The application's `SQLite` file, which several processes may share.
///
/// `SQLite` has one writer, so each process has one connection for writing, and whoever wants to
/// write waits for it in line. Readers have connections of their own and never wait for the writer.
#[derive(Clone, Debug)]
pub struct Database {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Database {
    /// Opens the file, makes it and its folder where they are missing, and brings its tables up to
    /// date. Of several processes that do so at once, one does and the others wait for it.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is not that of a `SQLite` file, the file cannot be opened, or
    /// its tables are those of a newer program.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use feeds::infra::{Database, DatabaseSettings};
    ///
    /// # async fn open() -> Result<(), feeds::infra::OpenError> {
    /// let database = Database::open(&DatabaseSettings::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, OpenError> {
        let path = settings.file().map_err(|reason| OpenError::Url { reason })?;
        if let Some(folder) = path.parent() {
            let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let failed =
            |source: sqlx::Error| OpenError::File { path: path.clone(), source: source.into() };
        // The writer first: it makes the file, and puts it into WAL mode for everyone.
        let writer = open_writer(&path, settings).await.map_err(failed)?;
        if settings.migrate {
            let migrated = migrate(&writer).await;
            migrated.map_err(|source| OpenError::Migrate { path: path.clone(), source })?;
        } else if !is_up_to_date(&writer).await {
            return Err(OpenError::Pending { path });
        }
        let reading = options(&path).create_if_missing(false).pragma("query_only", "true");
        let readers =
            pool(settings, settings.max_connections).connect_with(reading).await.map_err(failed)?;
        Ok(Self { readers, writer })
    }

    /// [`open`](Self::open) as a constructor that is injected.
    pub(super) async fn from_config(settings: Config<DatabaseSettings>) -> Result<Self, OpenError> {
        Self::open(&settings.get()).await
    }

    /// A connection that reads.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::Busy`] if none is free within `acquire_timeout`, or before the request
    /// that it is for is over.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        in_time("get a connection", self.readers.acquire()).await
    }

    /// A transaction that is alone in writing, among all processes: what it has read stays true
    /// until it commits.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::Busy`] if it does not get its turn within `acquire_timeout`, or before
    /// the request that it is for is over.
    pub async fn write(&self) -> Result<WriteTx, StoreError> {
        in_time("begin to write", self.writer.begin_with("BEGIN IMMEDIATE")).await
    }

    /// Looks whether the file can be read.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut connection = self.read().await?;
        let asked = sqlx::query("SELECT count(*) FROM feeds").execute(&mut *connection).await;
        asked.map(drop).map_err(StoreError::doing("read the file"))
    }

    /// Waits until nobody uses the database, and closes it.
    pub async fn close(&self) {
        self.readers.close().await;
        // The last one out moves the log into the file.
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        // What a power cut takes of the last second can be fetched again.
        .synchronous(SqliteSynchronous::Normal)
}

fn pool(settings: &DatabaseSettings, connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(settings.acquire_timeout)
        // A file does not hang up.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Changing a new file to WAL mode does not wait for others that do the same, so this does.
async fn open_writer(path: &Path, settings: &DatabaseSettings) -> Result<SqlitePool, sqlx::Error> {
    let deadline = Instant::now() + OPEN_TIMEOUT;
    loop {
        match pool(settings, 1).connect_with(options(path)).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                sleep(Duration::from_millis(20)).await;
            }
            opened => return opened,
        }
    }
}

/// Takes every step that was not taken yet, in one transaction that is alone in writing: another
/// process that starts at the same time waits, and finds nothing left to do.
async fn migrate(writer: &SqlitePool) -> Result<(), BoxError> {
    let step = |(version, (name, sql)): (i64, &(&'static str, &'static str))| {
        let sql = (*sql).into_sql_str();
        Migration::new(version, (*name).into(), MigrationType::Simple, sql, false)
    };
    let migrator = Migrator::with_migrations((1..).zip(STEPS).map(step).collect());
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    // `run` takes an `Acquire`, which futures that are `Send` cannot hold (rust-lang/rust#96865).
    migrator.run_direct(None, &mut *tx, false).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether every step was taken. A file without tables has none that could say so.
async fn is_up_to_date(writer: &SqlitePool) -> bool {
    let taken = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success");
    taken.fetch_one(writer).await.is_ok_and(|taken: i64| usize::try_from(taken) == Ok(STEPS.len()))
}

/// Waits no longer than whoever asked: a turn that comes later is for nobody.
async fn in_time<T>(
    doing: &'static str,
    turn: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, StoreError> {
    match Deadline::current().limit(turn).await {
        Ok(turn) => turn.map_err(StoreError::doing(doing)),
        Err(_late) => Err(StoreError::Busy { doing }),
    }
}

#[cfg(test)]
mod tests;
