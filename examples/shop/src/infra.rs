//! The database that the other modules keep their things in.

mod database;
mod error;
mod migrations;
mod settings;

use framework::{core::Chain, prelude::*};

#[cfg(test)]
pub(crate) use self::migrations::run as run_migrations;
pub use self::{
    database::{Database, WriteTx},
    error::{OpenError, StoreError},
    migrations::{MigrationError, Migrations},
    settings::DatabaseSettings,
};

/// Opens the database, brings the tables of every module up to date, and watches over it.
///
/// It provides [`Database`] and collects [`Migrations`].
#[derive(Clone, Debug)]
pub struct Infra;

impl Module for Infra {
    fn name(&self) -> &'static str {
        "infra"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let settings = reg.config::<DatabaseSettings>("database");
        let database = reg.inject_async(Database::from_config);
        let migrations = reg.collect::<Migrations>();

        let (migrated, checked) = (database.clone(), database.clone());
        reg.setup("migrate", move |cx| async move {
            let all = cx.collected(&migrations).iter();
            let migrations: Vec<_> = all.map(|given| (given.module(), *given.item())).collect();
            let migrate = settings.get().migrate;
            Ok(migrations::run(&cx.get(&migrated), &migrations, migrate).await?)
        });
        reg.health("database", Answers(checked));
        reg.teardown("close", move |cx| async move {
            if let Some(database) = cx.try_get(&database) {
                database.close().await;
            }
            Ok(())
        });
    }
}

/// Whether the database answers.
struct Answers(Need<Database>);

impl Check for Answers {
    async fn check(&self, cx: &Context) -> Health {
        let Some(database) = cx.try_get(&self.0) else {
            return Health::unhealthy("the database is not open yet");
        };
        match database.ping().await {
            Ok(()) => Health::healthy(),
            Err(error) => Health::unhealthy(Chain(&error).to_string()),
        }
    }
}
