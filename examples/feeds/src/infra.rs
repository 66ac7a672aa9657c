//! The database, and the way out into the network: what the other modules stand on.

mod database;
mod error;
mod settings;
mod transport;

use framework::{core::Chain, prelude::*};

pub(crate) use self::transport::{ExchangeError, Tls, dial, exchange, secure};
pub use self::{
    database::{Database, Reader, WriteTx},
    error::{OpenError, StoreError},
    settings::DatabaseSettings,
};

/// Opens the database, brings its tables up to date, and watches over it. It provides
/// [`Database`].
#[derive(Clone, Debug)]
pub struct Infra;

impl Module for Infra {
    fn name(&self) -> &'static str {
        "infra"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.config::<DatabaseSettings>("database");
        let database = reg.inject_async(Database::from_config);
        reg.health("database", Answers(database.clone()));
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
