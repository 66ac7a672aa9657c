//! Text of a query or a path as the JSON that its schema asks for.

use serde_json::{Map, Number, Value};

use super::rules::Rules;

/// Pairs of names and texts as an object.
pub(super) fn object<N: AsRef<str>, T: AsRef<str>>(
    rules: &Rules,
    pairs: impl Iterator<Item = (N, T)>,
) -> Value {
    let mut object = Map::new();
    for (name, text) in pairs {
        let value = read(rules, field(rules, name.as_ref()), text.as_ref());
        object.insert(name.as_ref().to_owned(), value);
    }
    object.into()
}

/// The parameters of a path, as a struct, a tuple or the only one by itself.
pub(super) fn path(rules: &Rules, params: &[(&str, &str)]) -> Value {
    let root = rules.root();
    if root.get("properties").is_some() {
        return object(rules, params.iter().copied());
    }
    match (root.get("prefixItems").and_then(Value::as_array), params) {
        (Some(items), _) => {
            let schemas = items.iter().map(Some).chain(std::iter::repeat(None));
            params
                .iter()
                .zip(schemas)
                .map(|((_, text), schema)| read(rules, schema, text))
                .collect()
        }
        (None, [(_, text)]) => read(rules, Some(root), text),
        (None, _) => params.iter().map(|(_, text)| Value::from(*text)).collect(),
    }
}

fn field<'r>(rules: &'r Rules, name: &str) -> Option<&'r Value> {
    rules.root().get("properties")?.get(name)
}

/// Text as a number or a truth value where that is what is asked for and the text is one; what is
/// not, stays text and is refused for it.
fn read(rules: &Rules, schema: Option<&Value>, text: &str) -> Value {
    let wants = |kind| schema.is_some_and(|schema| allows(rules, schema, kind, 0));
    if wants("integer") || wants("number") {
        if let Ok(number) = text.parse::<i64>() {
            return number.into();
        }
        if let Ok(number) = text.parse::<u64>() {
            return number.into();
        }
    }
    if wants("number")
        && let Some(number) = text.parse().ok().and_then(Number::from_f64)
    {
        return number.into();
    }
    match text {
        "true" if wants("boolean") => true.into(),
        "false" if wants("boolean") => false.into(),
        _ => text.into(),
    }
}

/// Whether a schema takes values of this kind; it may refer to others, which refer to others.
fn allows(rules: &Rules, schema: &Value, kind: &str, depth: usize) -> bool {
    if depth > 8 {
        return false;
    }
    let own = match schema.get("type") {
        Some(Value::String(own)) => own == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|own| own == kind),
        _ => false,
    };
    let target = || rules.target(schema.get("$ref")?.as_str()?);
    let mut forms = ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|key| schema.get(key)?.as_array())
        .flatten();
    own || target().is_some_and(|target| allows(rules, target, kind, depth + 1))
        || forms.any(|form| allows(rules, form, kind, depth + 1))
}
