use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use framework::prelude::*;
use sqlx::{
    Sqlite, Transaction,
    pool::PoolConnection,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    },
};

use super::{DatabaseSettings, OpenError, StoreError};

/// How long a connection waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction that may write; dropped without a commit, it leaves nothing behind.
pub type WriteTx = Transaction<'static, Sqlite>;

/// The application's `SQLite` file.
///
/// `SQLite` has one writer, so there is one connection for writing, and whoever wants to write waits
/// for it in line: nobody finds the file locked half-way through a transaction. Readers have
/// connections of their own and never wait for the writer.
///
/// What is committed is on the disk: it outlives the end of the process, however sudden, and that
/// of the machine as far as the disk keeps its word.
#[derive(Clone, Debug)]
pub struct Database {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Database {
    /// Opens the file, and makes it and its folder where they are missing.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is not that of a `SQLite` file, or the file cannot be opened.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use shop::infra::{Database, DatabaseSettings};
    ///
    /// # async fn open() -> Result<(), shop::infra::OpenError> {
    /// let database = Database::open(&DatabaseSettings::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, OpenError> {
        let path = sqlite_file(&settings.url)?;
        if let Some(folder) = path.parent() {
            let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            // An order that was acknowledged must outlive a power cut.
            .synchronous(SqliteSynchronous::Full);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(settings.acquire_timeout)
                // A file does not hang up.
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let failed =
            |source: sqlx::Error| OpenError::File { path: path.clone(), source: source.into() };
        // The writer first: it makes the file, and puts it into WAL mode for everyone.
        let writer = pool(1).connect_with(options.clone()).await.map_err(failed)?;
        let readers = pool(settings.max_connections)
            .connect_with(options.create_if_missing(false).pragma("query_only", "true"))
            .await
            .map_err(failed)?;
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
    pub async fn read(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        in_time("get a connection", self.readers.acquire()).await
    }

    /// A transaction that is alone in writing, from its begin to its end: what it has read stays
    /// true until it commits.
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
        sqlx::query("SELECT count(*) FROM sqlite_schema")
            .execute(&mut *connection)
            .await
            .map_err(StoreError::doing("read the file"))?;
        Ok(())
    }

    /// Waits until nobody uses the database, and closes it.
    pub async fn close(&self) {
        self.readers.close().await;
        // The last one out moves the log into the file.
        self.writer.close().await;
    }
}

/// The path in the URL of a `SQLite` file.
///
/// # Errors
///
/// Returns an error if it is the URL of something else.
pub(super) fn sqlite_file(url: &str) -> Result<PathBuf, OpenError> {
    let refused = |reason| Err(OpenError::Url { url: without_password(url), reason });
    let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) else {
        return refused("only SQLite is supported: write `sqlite://` and the path of a file");
    };
    match path {
        "" => refused("there is no path in it: write `sqlite://data/app.db`"),
        // Each connection would see a database of its own.
        ":memory:" => refused("the database must be a file"),
        path if path.contains('?') => refused("parameters are not supported"),
        path => Ok(Path::new(path).to_owned()),
    }
}

/// The URL as it may be shown.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
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
