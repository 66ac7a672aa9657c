//! Lines for machines: JSON.
//!
//! `timestamp`, `level`, `pid`, `target`, `message`, the event's own values under `fields`, the names
//! of the spans around it under `span` (`request:query`), and beside them the values of those spans:
//! `request_id`, `module`. Of two spans with one value the inner one counts; a value whose name is
//! taken stands under `span.` and its name.
//!
//! The formatter of `tracing-subscriber` nests the values of each span in a list, where a search
//! for a request's id does not find them.

use serde_json::{Map, Value};

use super::layer::Line;

const RESERVED: [&str; 7] = ["timestamp", "level", "pid", "target", "message", "fields", "span"];

pub(super) fn render(line: Line) -> Vec<u8> {
    let mut json = Map::new();
    for (name, value) in line.spans.iter().flat_map(|(_, values)| values.json()) {
        let name = match RESERVED.contains(&name) {
            true => format!("span.{name}"),
            false => name.to_owned(),
        };
        json.insert(name, value);
    }
    if !line.spans.is_empty() {
        let path: Vec<_> = line.spans.iter().map(|(name, _)| *name).collect();
        json.insert("span".to_owned(), path.join(":").into());
    }
    json.insert("timestamp".to_owned(), line.time.into());
    json.insert("level".to_owned(), line.level.as_str().into());
    json.insert("pid".to_owned(), line.pid.into());
    json.insert("target".to_owned(), line.target.into());
    json.insert("message".to_owned(), line.message.into());
    if !line.values.is_empty() {
        json.insert("fields".to_owned(), Value::Object(line.values.to_map()));
    }
    let mut text = Value::Object(json).to_string().into_bytes();
    text.push(b'\n');
    text
}
