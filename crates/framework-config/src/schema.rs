use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::{
    key_path::{KeyPath, Step},
    secret::REDACTED,
};

/// What a section may hold, as one JSON Schema without references as far as that goes.
#[derive(Clone, Debug)]
pub(crate) struct SectionSchema {
    root: Value,
}

/// One key of a section.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) path: KeyPath,
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) secret: bool,
}

impl SectionSchema {
    pub(crate) fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        let generator =
            settings.with(|settings| settings.inline_subschemas = true).into_generator();
        Self { root: generator.into_root_schema_for::<T>().to_value() }
    }

    /// The doc comment of the section's type.
    pub(crate) fn text(&self) -> &str {
        description(&self.root)
    }

    /// The keys that the table at `path` may have.
    pub(crate) fn children(&self, path: &KeyPath) -> Vec<&str> {
        let tables = self.at(path).into_iter();
        let keys = tables.filter_map(|table| table.get("properties")?.as_object());
        keys.flat_map(Map::keys).map(String::as_str).collect()
    }

    /// The keys that the table at `path` must have.
    pub(crate) fn required(&self, path: &KeyPath) -> Vec<&str> {
        let tables = self.at(path).into_iter();
        let keys = tables.filter_map(|table| table.get("required")?.as_array());
        keys.flatten().filter_map(Value::as_str).collect()
    }

    /// Whether the section may hold a value at `path`.
    pub(crate) fn knows(&self, path: &KeyPath) -> bool {
        !self.at(path).is_empty()
    }

    /// Calls `visit` with what each key is called, at any depth, whether it is a table, and whether
    /// a secret stands under it.
    pub(crate) fn names(&self, visit: &mut dyn FnMut(&str, bool, bool)) {
        self.visit_names(&self.root, 0, visit);
    }

    /// The doc comment of the key at `path`.
    pub(crate) fn describe(&self, path: &KeyPath) -> &str {
        self.at(path).into_iter().map(description).find(|text| !text.is_empty()).unwrap_or("")
    }

    /// Whether the value at `path` is a secret, or holds one, or is held by one.
    pub(crate) fn touches_secret(&self, path: &KeyPath) -> bool {
        let mut way = Some(path.clone());
        while let Some(step) = way {
            if self.at(&step).into_iter().any(is_secret) {
                return true;
            }
            way = step.parent();
        }
        self.at(path).into_iter().any(|schema| self.holds_secret(schema, 0))
    }

    /// Every key that is known beforehand, tables taken apart.
    pub(crate) fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.collect_leaves(&KeyPath::default(), &mut leaves);
        leaves
    }

    fn collect_leaves(&self, path: &KeyPath, leaves: &mut Vec<Leaf>) {
        let children = self.children(path);
        if path.steps().len() < crate::parse::MAX_DEPTH && !children.is_empty() {
            for key in children {
                self.collect_leaves(&path.child(key), leaves);
            }
            return;
        }
        if path.steps().is_empty() {
            return;
        }
        let found = self.at(path);
        leaves.push(Leaf {
            path: path.clone(),
            kind: kind(&found),
            text: self.describe(path).to_owned(),
            secret: found.into_iter().any(is_secret),
        });
    }

    /// Every schema that the value at `path` may follow.
    fn at(&self, path: &KeyPath) -> Vec<&Value> {
        let mut found = self.alternatives(&self.root, 0);
        for step in path.steps() {
            let next = found.into_iter().flat_map(|schema| child(schema, step));
            found = next.flat_map(|schema| self.alternatives(schema, 0)).collect();
        }
        found
    }

    /// A schema with what it refers to and what it chooses from.
    fn alternatives<'s>(&'s self, schema: &'s Value, depth: usize) -> Vec<&'s Value> {
        let mut all = vec![schema];
        // A type that contains itself refers to itself.
        if depth < 4 {
            let target =
                schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
            all.extend(target.and_then(|to| self.root.pointer(to)));
            let branches =
                ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema.get(key));
            all.extend(branches.filter_map(Value::as_array).flatten());
            let nested = all.split_off(1);
            all.extend(nested.into_iter().flat_map(|branch| self.alternatives(branch, depth + 1)));
        }
        all
    }

    fn visit_names(&self, schema: &Value, depth: usize, visit: &mut dyn FnMut(&str, bool, bool)) {
        if depth > crate::parse::MAX_DEPTH {
            return;
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            let is_table =
                self.alternatives(schema, 0).iter().any(|it| it.get("properties").is_some());
            visit(name, is_table, self.holds_secret(schema, 0));
        }
        match schema {
            Value::Object(map) => {
                map.values().for_each(|schema| self.visit_names(schema, depth + 1, visit));
            }
            Value::Array(items) => {
                items.iter().for_each(|schema| self.visit_names(schema, depth + 1, visit));
            }
            _ => {}
        }
    }

    fn holds_secret(&self, schema: &Value, depth: usize) -> bool {
        is_secret(schema)
            || depth < crate::parse::MAX_DEPTH
                && match schema {
                    Value::Object(map) => map.values().any(|it| self.holds_secret(it, depth + 1)),
                    Value::Array(items) => items.iter().any(|it| self.holds_secret(it, depth + 1)),
                    _ => false,
                }
    }
}

fn child<'s>(schema: &'s Value, step: &Step) -> Vec<&'s Value> {
    let found = match step {
        Step::Key(key) => {
            let known = schema.get("properties").and_then(|it| it.get(key));
            known.or_else(|| schema.get("additionalProperties").filter(|it| it.is_object()))
        }
        Step::Index(index) => {
            let fixed = schema.get("prefixItems").and_then(|it| it.get(index));
            fixed.or_else(|| schema.get("items"))
        }
    };
    found.into_iter().collect()
}

fn is_secret(schema: &Value) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true))
}

fn description(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// The type in a word or two: `integer`, `string or null`, `one of "pretty", "json"`.
fn kind(schemas: &[&Value]) -> String {
    let choices: Vec<_> = schemas.iter().flat_map(|schema| choices(schema)).collect();
    if !choices.is_empty() {
        return format!("one of {}", choices.join(", "));
    }
    let mut names = Vec::new();
    for schema in schemas {
        let listed = schema.get("type").map(|kind| match kind {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect::<Vec<_>>(),
        });
        for name in listed.into_iter().flatten() {
            if name != "null" && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if names.is_empty() { "any".to_owned() } else { names.join(" or ") }
}

fn choices(schema: &Value) -> Vec<String> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let all = listed.chain(schema.get("const"));
    all.filter(|choice| !choice.is_null()).map(Value::to_string).collect()
}

/// Takes the defaults that hold a secret out of a schema: they are redacted, and so no defaults.
pub(crate) fn without_secret_defaults(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("default").is_some_and(is_redacted) {
                map.remove("default");
            }
            map.values_mut().for_each(without_secret_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(without_secret_defaults),
        _ => {}
    }
}

/// Whether a secret was redacted anywhere in `value`.
pub(crate) fn is_redacted(value: &Value) -> bool {
    match value {
        Value::String(text) => text == REDACTED,
        Value::Object(map) => map.values().any(is_redacted),
        Value::Array(items) => items.iter().any(is_redacted),
        _ => false,
    }
}
