//! Orders: each taken once, and never for more than there is.

mod api;
mod events;
mod idempotency;
mod order;
mod orders;
mod settings;

use std::sync::Arc;

use framework::prelude::*;

use crate::{
    catalog::Inventory,
    infra::{Database, Migrations},
};

pub use self::{
    events::{OrderEvents, Recorded},
    idempotency::{IdempotencyKey, InvalidKey},
    order::{Answer, NewOrder, Order, Refusal},
    orders::{Orders, PlaceError},
    settings::OrderingSettings,
};

/// Takes orders.
///
/// If some module provides `dyn` [`OrderEvents`], it is told of each order, in its transaction.
#[derive(Clone, Debug)]
pub struct Ordering;

pub(crate) const MIGRATIONS: Migrations =
    Migrations::new(&[("orders", include_str!("../migrations/ordering/1_orders.sql"))]);

impl Module for Ordering {
    fn name(&self) -> &'static str {
        "ordering"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.contribute(MIGRATIONS);
        reg.config::<OrderingSettings>("ordering");
        reg.inject(orders);
        reg.api(api::routes());
    }
}

fn orders(
    database: Arc<Database>,
    inventory: Arc<Inventory>,
    events: Option<Arc<dyn OrderEvents>>,
    settings: Config<OrderingSettings>,
    cx: Context,
) -> Orders {
    let clock = Arc::clone(&cx.environment().clock);
    Orders::new(database, inventory, settings, clock).events(events)
}
