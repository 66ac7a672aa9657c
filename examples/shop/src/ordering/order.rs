use std::collections::HashSet;

use framework::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OrderingSettings;
use crate::{
    catalog::{Priced, Unavailable, Wanted},
    invalid::Invalid,
};

/// An order as it was placed; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct Order {
    /// Its id.
    pub id: i64,
    /// What was sold, and for how much.
    pub items: Vec<Priced>,
    /// What it costs, in cents.
    pub total_cents: i64,
}

/// An order that somebody wants to place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// What is wanted, each product once.
    #[schemars(length(min = 1))]
    pub items: Vec<Wanted>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was placed.
    Placed(Order),
    /// It was not.
    Refused(Refusal),
}

/// Why an order was not placed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// Not everything can be had.
    #[error(transparent)]
    Unavailable(Unavailable),
    /// It would cost more than can be counted.
    #[error("the order costs more than can be counted")]
    TooExpensive,
}

impl NewOrder {
    /// Tells everything that is wrong with it, whatever there is in stock: what the settings allow,
    /// and what two lines have to do with each other, no schema knows.
    ///
    /// # Errors
    ///
    /// Returns a problem if there is anything.
    pub fn check(&self, settings: &OrderingSettings) -> Result<(), Problem> {
        let (lines, max) = (self.items.len(), settings.max_lines);
        let mut invalid = Invalid::default();
        invalid.unless(lines > 0, "/items", "must not be empty");
        invalid.unless(lines <= max, "/items", &format!("must have at most {max} entries"));
        if lines <= max {
            self.check_lines(settings, &mut invalid);
        }
        invalid.into_result()
    }

    fn check_lines(&self, settings: &OrderingSettings, invalid: &mut Invalid) {
        let allowed = format!("must be from 1 to {}", settings.max_quantity);
        let mut skus = HashSet::new();
        for (n, Wanted { sku, quantity }) in self.items.iter().enumerate() {
            let valid = (1..=settings.max_quantity).contains(quantity);
            invalid.unless(valid, format!("/items/{n}/quantity"), &allowed);
            let first = skus.insert(sku.as_str());
            invalid.unless(first, format!("/items/{n}/sku"), "is in the order already");
        }
    }
}

/// What `items` cost together, in cents, if it can be counted.
pub(super) fn total_cents(items: &[Priced]) -> Option<i64> {
    items
        .iter()
        .try_fold(0_i64, |sum, line| sum.checked_add(line.price_cents.checked_mul(line.quantity)?))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Unavailable(Unavailable::OutOfStock { skus }) => {
                Self::conflict().detail(detail).extension("skus", skus)
            }
            Refusal::Unavailable(Unavailable::Unknown { skus }) => {
                Self::unprocessable().detail(detail).extension("skus", skus)
            }
            Refusal::TooExpensive => Self::unprocessable().detail(detail),
        }
    }
}

#[cfg(test)]
mod tests;
