use std::cmp::Ordering;

use framework::{
    core::{Contribution, Order},
    prelude::*,
};
use sqlx::{
    SqlSafeStr as _, SqliteConnection,
    migrate::{AppliedMigration, Migrate as _, MigrateError, Migration, MigrationType, Migrator},
};

use super::{Database, StoreError};

/// The steps that make a module's tables, oldest first: a name and its SQL.
///
/// A step that was once released is never changed; what comes next is added at the end. Each module
/// counts its own steps, so modules know nothing of each other's.
///
/// # Examples
///
/// ```
/// use shop::infra::Migrations;
///
/// let migrations = Migrations::new(&[
///     ("reviews", "CREATE TABLE reviews (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"),
///     ("stars", "ALTER TABLE reviews ADD COLUMN stars INTEGER"),
/// ]);
/// # let _ = migrations;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    steps: &'static [(&'static str, &'static str)],
}

/// The tables of a module could not be brought up to date, or are not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// A step failed, or those in the database are not those of the program.
    #[error("cannot bring the tables of `{module}` up to date")]
    Failed {
        /// Whose tables.
        module: &'static str,
        /// Why not.
        source: BoxError,
    },
    /// Steps are missing, and `database.migrate` is off.
    #[error(
        "the tables of `{module}` are not up to date ({taken} of {known} steps); start once with \
         `database.migrate` on"
    )]
    Pending {
        /// Whose tables.
        module: &'static str,
        /// How many steps were taken.
        taken: usize,
        /// How many there are.
        known: usize,
    },
    /// The database could not be written to at all.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Migrations {
    /// The steps in the order in which they are taken.
    #[must_use]
    pub const fn new(steps: &'static [(&'static str, &'static str)]) -> Self {
        Self { steps }
    }

    /// Numbered from 1, in a ledger of the module's own.
    fn migrator(self, module: &str) -> Migrator {
        let step = |(version, (name, sql)): (i64, &(&'static str, &'static str))| {
            Migration::new(
                version,
                (*name).into(),
                MigrationType::Simple,
                (*sql).into_sql_str(),
                false,
            )
        };
        let mut migrator = Migrator::with_migrations((1..).zip(self.steps).map(step).collect());
        // Dangerous to change later on; this is the first and only name.
        migrator.dangerous_set_table_name(ledger(module));
        migrator
    }
}

impl Contribution for Migrations {
    const KIND: &'static str = "migrations";
    // The tables are there before the module whose they are.
    const ORDER: Order = Order::CollectorFirst;
}

/// Takes every step of each module that was not taken yet, or, without `migrate`, sees that there
/// is none.
///
/// All of it is one transaction: the database is as new as the program, or as it was. Another
/// process that starts at the same time waits, and finds nothing left to do.
pub(crate) async fn run(
    database: &Database,
    migrations: &[(&'static str, Migrations)],
    migrate: bool,
) -> Result<(), MigrationError> {
    let mut tx = database.write().await?;
    for &(module, migrations) in migrations {
        let migrator = migrations.migrator(module);
        if migrate {
            // `run` takes an `Acquire`, which futures that are `Send` cannot hold (rust-lang/rust#96865).
            let taken = migrator.run_direct(None, &mut *tx, false).await;
            taken.map_err(|source| failed(module, source))?;
        } else {
            compare(&migrator, module, &mut tx).await?;
        }
    }
    let done = if migrate { tx.commit().await } else { tx.rollback().await };
    Ok(done.map_err(StoreError::doing("keep the new tables"))?)
}

/// Compares the steps that were taken with those there are, and changes nothing.
async fn compare(
    migrator: &Migrator,
    module: &'static str,
    connection: &mut SqliteConnection,
) -> Result<(), MigrationError> {
    let applied = applied(module, connection).await.map_err(|error| failed(module, error))?;
    let (taken, known) = (applied.len(), migrator.iter().count());
    for (applied, migration) in applied.iter().zip(migrator.iter()) {
        if applied.checksum != migration.checksum {
            return Err(failed(module, MigrateError::VersionMismatch(applied.version)));
        }
    }
    match taken.cmp(&known) {
        Ordering::Less => Err(MigrationError::Pending { module, taken, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => {
            Err(failed(module, MigrateError::VersionMissing(applied[known].version)))
        }
    }
}

async fn applied(
    module: &str,
    connection: &mut SqliteConnection,
) -> Result<Vec<AppliedMigration>, MigrateError> {
    let ledger = ledger(module);
    connection.ensure_migrations_table(&ledger).await?;
    connection.list_applied_migrations(&ledger).await
}

/// The table in which a module's steps are counted.
fn ledger(module: &str) -> String {
    format!("_migrations_{}", module.replace('-', "_"))
}

fn failed(module: &'static str, source: MigrateError) -> MigrationError {
    MigrationError::Failed { module, source: source.into() }
}

#[cfg(test)]
mod tests;
