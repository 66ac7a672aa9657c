use std::{fmt, sync::Arc};

use framework::{core::Clock, prelude::*};

use super::{
    Answer, IdempotencyKey, NewOrder, Order, OrderEvents, OrderingSettings, Refusal,
    idempotency::{self, Known},
    order::total_cents,
};
use crate::{
    catalog::{Inventory, Priced},
    infra::{Database, StoreError, WriteTx},
};

/// Every order.
pub struct Orders {
    database: Arc<Database>,
    inventory: Arc<Inventory>,
    settings: Config<OrderingSettings>,
    clock: Arc<dyn Clock>,
    events: Option<Arc<dyn OrderEvents>>,
}

/// Why it is not known what became of an order. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The key has come with another order before.
    #[error("the idempotency key `{key}` was used for another order")]
    KeyReused {
        /// The key.
        key: IdempotencyKey,
    },
    /// Somebody who has to know of the order could not be told.
    #[error("the order could not be made known")]
    Events {
        /// Why not.
        source: BoxError,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Orders {
    /// The orders in `database`, for what is in `inventory`.
    #[must_use]
    pub fn new(
        database: Arc<Database>,
        inventory: Arc<Inventory>,
        settings: Config<OrderingSettings>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { database, inventory, settings, clock, events: None }
    }

    /// Tells `events` of each order. Defaults to nobody.
    #[must_use]
    pub fn events(mut self, events: Option<Arc<dyn OrderEvents>>) -> Self {
        self.events = events;
        self
    }

    /// Places an order that [was checked](NewOrder::check), or says why it cannot be: in one
    /// transaction with the stock that it takes, the answer to its key, and what
    /// [`OrderEvents`] write. With a key that was answered before, nothing happens, and the first
    /// answer is given again.
    ///
    /// # Errors
    ///
    /// Returns an error if the key was used for another order, or if it is not known what became
    /// of this one. A refusal is an answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the order is placed as a whole or not at all; with a key, asking again
    /// tells which.
    pub async fn place(
        &self,
        new: &NewOrder,
        key: Option<&IdempotencyKey>,
    ) -> Result<Answer, PlaceError> {
        // Alone from here on: of two with one key, the second finds the answer to the first.
        let mut tx = self.database.write().await?;
        let answer = match key {
            None => self.answer(&mut tx, new).await?,
            Some(key) => self.answer_once(&mut tx, new, key).await?,
        };
        tx.commit().await.map_err(StoreError::doing("keep an order"))?;
        Ok(answer)
    }

    /// The order with the id `id`, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn find(&self, id: i64) -> Result<Option<Order>, StoreError> {
        const DOING: &str = "find an order";
        let mut connection = self.database.read().await?;
        let total_cents = sqlx::query_scalar("SELECT total_cents FROM orders WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *connection)
            .await
            .map_err(StoreError::doing(DOING))?;
        let Some(total_cents) = total_cents else { return Ok(None) };
        // An order never changes, so the two queries need no transaction.
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT sku, quantity, price_cents FROM order_lines WHERE order_id = ? ORDER BY position",
        )
        .bind(id)
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::doing(DOING))?;
        let line = |(sku, quantity, price_cents)| Priced { sku, quantity, price_cents };
        Ok(Some(Order { id, items: rows.into_iter().map(line).collect(), total_cents }))
    }

    async fn answer_once(
        &self,
        tx: &mut WriteTx,
        new: &NewOrder,
        key: &IdempotencyKey,
    ) -> Result<Answer, PlaceError> {
        let (now, retention) = (self.clock.wall(), self.settings.get().idempotency_retention);
        idempotency::forget(tx, now, retention).await?;
        match idempotency::look_up(tx, key, new).await? {
            Known::Answer(answer) => Ok(answer),
            Known::OtherRequest => Err(PlaceError::KeyReused { key: key.clone() }),
            Known::Nothing => {
                let answer = self.answer(tx, new).await?;
                idempotency::keep(tx, key, new, &answer, now).await?;
                Ok(answer)
            }
        }
    }

    async fn answer(&self, tx: &mut WriteTx, new: &NewOrder) -> Result<Answer, PlaceError> {
        let items = match self.inventory.price(tx, &new.items).await? {
            Ok(items) => items,
            Err(reason) => return Ok(Answer::Refused(Refusal::Unavailable(reason))),
        };
        // Before anything is written: a refusal is kept for its key, and must take nothing along.
        let Some(total_cents) = total_cents(&items) else {
            return Ok(Answer::Refused(Refusal::TooExpensive));
        };
        self.inventory.take(tx, &items).await?;
        let order = insert(tx, items, total_cents).await?;
        if let Some(events) = &self.events {
            let told = events.placed(tx, &order).await;
            told.map_err(|source| PlaceError::Events { source })?;
        }
        Ok(Answer::Placed(order))
    }
}

async fn insert(
    tx: &mut WriteTx,
    items: Vec<Priced>,
    total_cents: i64,
) -> Result<Order, StoreError> {
    const DOING: &str = "add an order";
    let id = sqlx::query_scalar("INSERT INTO orders (total_cents) VALUES (?) RETURNING id")
        .bind(total_cents)
        .fetch_one(&mut **tx)
        .await
        .map_err(StoreError::doing(DOING))?;
    for (position, line) in (0_i64..).zip(&items) {
        sqlx::query("INSERT INTO order_lines VALUES (?, ?, ?, ?, ?)")
            .bind(id)
            .bind(position)
            .bind(&line.sku)
            .bind(line.quantity)
            .bind(line.price_cents)
            .execute(&mut **tx)
            .await
            .map_err(StoreError::doing(DOING))?;
    }
    Ok(Order { id, items, total_cents })
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").field("database", &self.database).finish_non_exhaustive()
    }
}

impl From<PlaceError> for Problem {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::KeyReused { .. } => Self::unprocessable().detail(error.to_string()),
            PlaceError::Events { .. } => Self::internal(error),
            PlaceError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests;
