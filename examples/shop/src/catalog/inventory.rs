use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::infra::{StoreError, WriteTx};

/// The stock, for modules that take from it within a transaction of theirs.
#[derive(Clone, Copy, Debug)]
pub struct Inventory;

/// So many of one product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The product's SKU.
    #[schemars(length(min = 1), example = &"B-1")]
    pub sku: String,
    /// How many, at least 1.
    #[schemars(range(min = 1), example = 1)]
    pub quantity: i64,
}

/// So many of one product, at the price of the moment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct Priced {
    /// The product's SKU.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// What one costs, in cents.
    pub price_cents: i64,
}

/// Why not everything can be had; every product that is the reason is named.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unavailable {
    /// There are no such products.
    #[error("there is no product {}", listed(skus))]
    Unknown {
        /// Their SKUs, in the order in which they were asked for.
        skus: Vec<String>,
    },
    /// There is less than was asked for.
    #[error("there is not enough of {}", listed(skus))]
    OutOfStock {
        /// Their SKUs, in the order in which they were asked for.
        skus: Vec<String>,
    },
}

impl Inventory {
    /// Looks whether all of `wanted` can be had, and what it costs; each SKU occurs once. The answer
    /// stays true for the rest of the transaction.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does. That there is not enough is an answer.
    pub async fn price(
        &self,
        tx: &mut WriteTx,
        wanted: &[Wanted],
    ) -> Result<Result<Vec<Priced>, Unavailable>, StoreError> {
        let (mut priced, mut unknown, mut short) = (Vec::new(), Vec::new(), Vec::new());
        for Wanted { sku, quantity } in wanted {
            let (sku, quantity) = (sku.clone(), *quantity);
            match look_up(tx, &sku).await? {
                None => unknown.push(sku),
                Some((_, stock)) if stock < quantity => short.push(sku),
                Some((price_cents, _)) => priced.push(Priced { sku, quantity, price_cents }),
            }
        }
        Ok(match (unknown.is_empty(), short.is_empty()) {
            (false, _) => Err(Unavailable::Unknown { skus: unknown }),
            (true, false) => Err(Unavailable::OutOfStock { skus: short }),
            (true, true) => Ok(priced),
        })
    }

    /// Takes what was [priced](Self::price) in the same transaction. It is gone when the
    /// transaction commits.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does, also if there is less than is taken.
    pub async fn take(&self, tx: &mut WriteTx, priced: &[Priced]) -> Result<(), StoreError> {
        for line in priced {
            sqlx::query("UPDATE products SET stock = stock - ? WHERE sku = ?")
                .bind(line.quantity)
                .bind(&line.sku)
                .execute(&mut **tx)
                .await
                .map_err(StoreError::doing("take from the stock"))?;
        }
        Ok(())
    }
}

/// The price and the stock. Nobody else writes during the transaction, so they stay true.
async fn look_up(tx: &mut WriteTx, sku: &str) -> Result<Option<(i64, i64)>, StoreError> {
    sqlx::query_as("SELECT price_cents, stock FROM products WHERE sku = ?")
        .bind(sku)
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::doing("look up a product"))
}

fn listed(skus: &[String]) -> String {
    skus.iter().map(|sku| format!("`{sku}`")).collect::<Vec<_>>().join(", ")
}
