use std::{future::Future, pin::Pin};

use framework::prelude::*;

use super::Order;
use crate::infra::WriteTx;

/// What [`OrderEvents`] does about an order.
pub type Recorded<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'a>>;

/// Is told of orders within the transaction that places them: whatever it writes is there exactly
/// when the order is.
///
/// It is the place for an outbox. It should only write: the next order waits for it.
///
/// # Examples
///
/// ```
/// use shop::{infra::WriteTx, ordering::{Order, OrderEvents, Recorded}};
///
/// struct Journal;
///
/// impl OrderEvents for Journal {
///     fn placed<'a>(&'a self, tx: &'a mut WriteTx, order: &'a Order) -> Recorded<'a> {
///         Box::pin(async move {
///             let write = sqlx::query("INSERT INTO journal (order_id) VALUES (?)");
///             write.bind(order.id).execute(&mut **tx).await?;
///             Ok(())
///         })
///     }
/// }
/// ```
pub trait OrderEvents: Send + Sync + 'static {
    /// Writes down that `order` was placed. If it fails, the order is not.
    fn placed<'a>(&'a self, tx: &'a mut WriteTx, order: &'a Order) -> Recorded<'a>;
}
