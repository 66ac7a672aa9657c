use serde_json::Value;

use super::{ConfigEntry, ConfigReport};
use crate::key_path::{KeyPath, is_bare};

/// A line of the output; those with an origin line up.
struct Line {
    text: String,
    origin: Option<String>,
}

impl ConfigReport {
    /// The configuration in force as TOML, defaults included and secrets redacted. With `origin`,
    /// a comment behind each value names the file and line, the variable or the flag that set it.
    #[must_use]
    pub fn show(&self, origin: bool) -> String {
        let mut lines = Vec::new();
        for section in &self.sections {
            let mut header = None;
            for entry in &section.entries {
                let table =
                    KeyPath::key(&section.name).join(&entry.path.parent().unwrap_or_default());
                if header.as_ref() != Some(&table) {
                    if !lines.is_empty() {
                        lines.push(Line { text: String::new(), origin: None });
                    }
                    lines.push(Line { text: format!("[{table}]"), origin: None });
                    header = Some(table);
                }
                lines.push(line(entry));
            }
        }
        if !origin {
            lines.iter_mut().for_each(|line| line.origin = None);
        }
        print(&lines)
    }
}

fn line(entry: &ConfigEntry) -> Line {
    let key = quoted(entry.path.last_key().unwrap_or_default());
    match toml(&entry.value) {
        Some(value) => {
            Line { text: format!("{key} = {value}"), origin: Some(entry.origin.to_string()) }
        }
        None => Line { text: format!("# {key} is not set"), origin: None },
    }
}

fn print(lines: &[Line]) -> String {
    let placed = lines.iter().filter(|line| line.origin.is_some());
    let width = placed.map(|line| line.text.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for Line { text, origin } in lines {
        match origin {
            Some(origin) => out.push_str(&format!("{text:width$}  # {origin}")),
            None => out.push_str(text),
        }
        out.push('\n');
    }
    out
}

/// A key as TOML writes it.
pub(super) fn quoted(key: &str) -> String {
    if is_bare(key) { key.to_owned() } else { toml_edit::Value::from(key).to_string() }
}

/// A value as TOML writes it in one line; `None` for null, which TOML cannot say.
pub(crate) fn toml(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => toml_edit::Value::from(text).to_string(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| {
                Some(format!("{} = {}", quoted(key), toml(value)?))
            };
            let entries: Vec<_> = table.iter().filter_map(entry).collect();
            if entries.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", entries.join(", "))
            }
        }
    })
}
