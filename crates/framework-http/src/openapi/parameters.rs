//! The schema of a struct, taken apart into parameters.

use serde_json::{Map, Value, json};

/// The parameters of a path whose template has these names.
pub(super) fn of_path(schema: &Value, names: &[&str]) -> Vec<Value> {
    if let Some(fields) = schema["properties"].as_object() {
        let one = |(name, schema): (&String, &Value)| parameter("path", name, true, schema);
        return fields.iter().filter(|(name, _)| names.contains(&name.as_str())).map(one).collect();
    }
    if let Some(items) = schema["prefixItems"].as_array() {
        return names
            .iter()
            .zip(items)
            .map(|(name, item)| parameter("path", name, true, item))
            .collect();
    }
    names.iter().take(1).map(|name| parameter("path", name, true, schema)).collect()
}

/// The parameters of a query.
pub(super) fn of_query(schema: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    let required = schema["required"].as_array();
    if let Some(fields) = schema["properties"].as_object() {
        for (name, field) in fields {
            let required = required.is_some_and(|names| names.iter().any(|it| it == name));
            found.push(parameter("query", name, required, field));
        }
    }
    // What is flattened into a struct stands beside its own fields.
    for part in schema["allOf"].as_array().into_iter().flatten() {
        found.extend(of_query(part));
    }
    found
}

/// A header.
pub(super) fn header(name: &str, required: bool, description: &str, schema: Value) -> Value {
    let mut parameter = parameter("header", name, required, &schema);
    parameter["description"] = description.into();
    parameter
}

/// A parameter of the path that the handler does not read, or not as a type.
pub(super) fn unread(name: &str) -> Value {
    parameter("path", name, true, &json!({ "type": "string" }))
}

fn parameter(place: &str, name: &str, required: bool, schema: &Value) -> Value {
    let mut schema = present(schema);
    let mut parameter = json!({ "name": name, "in": place, "required": required });
    if let Some(fields) = schema.as_object_mut() {
        // Said of the parameter, where readers look for it.
        for key in ["description", "deprecated"] {
            if let Some(value) = fields.remove(key) {
                parameter[key] = value;
            }
        }
    }
    parameter["schema"] = schema;
    parameter
}

/// What a parameter is when it is there: nothing in a path or a query is `null`.
fn present(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else { return schema.clone() };
    let mut fields: Map<_, _> = fields.clone();
    if fields.get("default").is_some_and(Value::is_null) {
        fields.remove("default");
    }
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            fields.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(choices)) = fields.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    if let Some(Value::Array(forms)) = fields.get_mut("anyOf") {
        forms.retain(|form| form["type"] != "null");
        if let [Value::Object(form)] = forms.as_slice() {
            let form = form.clone();
            fields.remove("anyOf");
            fields.extend(form);
        }
    }
    fields.into()
}
