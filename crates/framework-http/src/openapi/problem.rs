//! The schema of problem documents, which is not derived: the type writes its own members.

use framework_core::Issue;
use serde_json::{Map, Value, json};

use crate::codes;

/// Adds the schemas of problem documents; a type of the application may have taken their names.
pub(super) fn add_schemas(schemas: &mut Map<String, Value>) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (name, schema) in [("Problem", problem()), ("FieldError", field_error())] {
        if schemas.insert(name.to_owned(), schema).is_some() {
            let summary = format!("a type of the application is called `{name}` in the document");
            issues.push(
                Issue::new(&codes::SCHEMA_CONFLICT, summary)
                    .evidence("problem documents are called that")
                    .help(format!("rename it: `#[schemars(rename = \"Other{name}\")]`")),
            );
        }
    }
    issues
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong, as RFC 9457 describes it.",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {
                "type": "string",
                "description": "The kind of problem, a URI; `about:blank` if the status says it all.",
            },
            "title": { "type": "string", "description": "The kind of problem, for people." },
            "status": {
                "type": "integer", "minimum": 400, "maximum": 599,
                "description": "The status of the answer.",
            },
            "detail": { "type": "string", "description": "What went wrong this time." },
            "instance": { "type": "string", "description": "What it happened to, a URI." },
            "request_id": {
                "type": "string",
                "description": "By which whoever runs the service finds the request in the log.",
            },
            "errors": {
                "type": "array",
                "items": { "$ref": "#/components/schemas/FieldError" },
                "description": "Everything that is wrong with what was sent.",
            },
        },
    })
}

fn field_error() -> Value {
    json!({
        "type": "object",
        "description": "One thing that is wrong with what was sent.",
        "required": ["detail"],
        "properties": {
            "pointer": {
                "type": "string",
                "description": "Where in a JSON body, as a JSON Pointer: `/items/0/quantity`.",
            },
            "parameter": {
                "type": "string",
                "description": "Which parameter of the path or the query.",
            },
            "detail": { "type": "string", "description": "What is wrong." },
            "line": { "type": "integer", "minimum": 0, "description": "The line in the body." },
            "column": { "type": "integer", "minimum": 0, "description": "The column in the line." },
        },
    })
}
