use framework::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::page::MAX_PAGE_SIZE;

/// The section `catalog`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogSettings {
    /// How many entries a page has when nobody asks for a number, 1 to 1000.
    pub page_size: u32,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self { page_size: 20 }
    }
}

impl Settings for CatalogSettings {
    fn validate(&self, faults: &mut Faults) {
        if !(1..=MAX_PAGE_SIZE).contains(&self.page_size) {
            faults.add("page_size", format!("must be from 1 to {MAX_PAGE_SIZE}"));
        }
    }
}
