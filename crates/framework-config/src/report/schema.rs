use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::ConfigReport;
use crate::{
    key_path::{KeyPath, Step},
    reload::ReloadClass,
    schema::without_secret_defaults,
};

impl ConfigReport {
    /// One JSON Schema (2020-12) for the whole configuration, for editors and for continuous
    /// integration. A key that cannot change while the application runs says so: `x-reload` is
    /// `module` or `restart`.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
        let (mut sections, mut late) = (Map::new(), Vec::new());
        for section in &self.sections {
            let schema = (section.generate)(&mut generator);
            let leaves = section.about.leaves.iter();
            late.extend(leaves.filter_map(|leaf| match section.section.class(&leaf.path) {
                ReloadClass::Hot => None,
                class => Some((KeyPath::key(&section.name).join(&leaf.path), class)),
            }));
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
        for (path, class) in late {
            // A key deep inside of a type that is taken apart nowhere else has no place of its own.
            if let Some(Value::Object(key)) = place(&mut schema, &path) {
                key.insert("x-reload".to_owned(), class.to_string().into());
            }
        }
        schema
    }
}

/// The schema of the key at `path`, on the way to which are only properties and references.
fn place<'s>(root: &'s mut Value, path: &KeyPath) -> Option<&'s mut Value> {
    let mut pointer = String::new();
    for step in path.steps() {
        let Step::Key(key) = step else { return None };
        // An optional table is a reference or nothing.
        let mut table = root.pointer(&pointer)?;
        for _ in 0..4 {
            let choices = table.get("anyOf").and_then(Value::as_array).into_iter().flatten();
            let mut referring = std::iter::once(table).chain(choices);
            let target = referring.find_map(|it| it.get("$ref")?.as_str()?.strip_prefix('#'));
            let Some(target) = target else { break };
            pointer = target.to_owned();
            table = root.pointer(&pointer)?;
        }
        let key = key.replace('~', "~0").replace('/', "~1");
        pointer = format!("{pointer}/properties/{key}");
    }
    root.pointer_mut(&pointer)
}
