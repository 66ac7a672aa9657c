use std::time::Duration;

use framework::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The section `ordering`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderingSettings {
    /// The most lines in an order, 1 to 1000.
    pub max_lines: usize,
    /// The most of one product in an order, at least 1.
    pub max_quantity: i64,
    /// How long the answer to an idempotency key is kept; after that, the key is like a new one.
    #[serde(with = "framework::config::duration")]
    #[schemars(with = "String")]
    pub idempotency_retention: Duration,
}

impl Default for OrderingSettings {
    fn default() -> Self {
        let idempotency_retention = Duration::from_secs(24 * 60 * 60);
        Self { max_lines: 100, max_quantity: 1000, idempotency_retention }
    }
}

impl Settings for OrderingSettings {
    fn validate(&self, faults: &mut Faults) {
        if !(1..=1000).contains(&self.max_lines) {
            faults.add("max_lines", "must be from 1 to 1000");
        }
        if self.max_quantity < 1 {
            faults.add("max_quantity", "must be at least 1");
        }
        // A client that tries again after a lost answer waits a while before it does.
        if self.idempotency_retention < Duration::from_secs(60) {
            faults.add("idempotency_retention", "must be at least 1m");
        }
    }
}
