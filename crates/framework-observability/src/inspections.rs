use framework_core::{Collected, Inspect};
use serde_json::{Map, Value};

/// What modules say of themselves at the moment, by their names.
///
/// What is no JSON is shown as text.
#[must_use]
pub fn inspections(of: &Collected<Inspect>) -> Value {
    let said = of.all().iter().filter_map(|contributed| {
        let text = contributed.item().read()?;
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Some((contributed.module(), value))
    });
    let mut all = Map::new();
    for (module, value) in said {
        match all.get_mut(module) {
            None => drop(all.insert(module.to_owned(), value)),
            // It has several things to say.
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(all)
}
