use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::ConfigReport;
use crate::schema::without_secret_defaults;

impl ConfigReport {
    /// One JSON Schema (2020-12) for the whole configuration, for editors and for continuous
    /// integration.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
        let mut sections = Map::new();
        for section in &self.sections {
            let schema = (section.generate)(&mut generator);
            sections.insert(section.name.clone(), schema.to_value());
        }
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": format!("The configuration of {}", self.title()),
            "type": "object",
            "properties": sections,
            "patternProperties": { "^x-": true },
            "additionalProperties": false,
            "$defs": generator.take_definitions(true),
        });
        without_secret_defaults(&mut schema);
        schema
    }
}
