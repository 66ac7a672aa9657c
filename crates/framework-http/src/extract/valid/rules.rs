use std::{
    any::TypeId,
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use arc_swap::ArcSwap;
use regex_lite::Regex;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::check::{Check, Fault};

/// What a type's schema asks for.
#[derive(Debug)]
pub(super) struct Rules {
    root: Value,
    patterns: HashMap<String, Regex>,
}

/// A pattern in a schema is none: a mistake of ours.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{pattern}` in the schema of a request is no pattern")]
pub(super) struct BadPattern {
    pattern: String,
    source: regex_lite::Error,
}

type Known = HashMap<TypeId, Arc<Rules>>;

// The rules of a type are the same for all time and for every application in the process: this is
// the memory of a pure function, and no state.
static RULES: LazyLock<ArcSwap<Known>> = LazyLock::new(ArcSwap::default);

/// The rules of `T`, made when they are first asked for.
pub(super) fn rules_of<T: JsonSchema + 'static>() -> Result<Arc<Rules>, BadPattern> {
    let id = TypeId::of::<T>();
    if let Some(rules) = RULES.load().get(&id) {
        return Ok(Arc::clone(rules));
    }
    let made = Arc::new(Rules::of::<T>()?);
    RULES.rcu(|known| {
        let mut known = Known::clone(known);
        known.insert(id, Arc::clone(&made));
        known
    });
    Ok(made)
}

impl Rules {
    pub(super) fn of<T: JsonSchema>() -> Result<Self, BadPattern> {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        Self::new(settings.into_generator().into_root_schema_for::<T>().to_value())
    }

    fn new(root: Value) -> Result<Self, BadPattern> {
        let mut patterns = HashMap::new();
        find_patterns(&root, &mut patterns)?;
        Ok(Self { root, patterns })
    }

    /// Everything in `value` that does not keep to the rules, in the order of the schema.
    pub(super) fn check(&self, value: &Value) -> Vec<Fault> {
        Check::new(self).run(&self.root, value)
    }

    pub(super) fn root(&self) -> &Value {
        &self.root
    }

    /// What a reference leads to.
    pub(super) fn target(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    pub(super) fn pattern(&self, pattern: &str) -> Option<&Regex> {
        self.patterns.get(pattern)
    }
}

fn find_patterns(schema: &Value, patterns: &mut HashMap<String, Regex>) -> Result<(), BadPattern> {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(pattern)) = map.get("pattern") {
                let compiled = Regex::new(pattern)
                    .map_err(|source| BadPattern { pattern: pattern.clone(), source })?;
                patterns.insert(pattern.clone(), compiled);
            }
            map.values().try_for_each(|value| find_patterns(value, patterns))
        }
        Value::Array(items) => items.iter().try_for_each(|value| find_patterns(value, patterns)),
        _ => Ok(()),
    }
}
