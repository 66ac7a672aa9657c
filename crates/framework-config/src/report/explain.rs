use std::fmt;

use serde_json::{Value, json};

use super::{ConfigEntry, ConfigReport, SectionReport, show::toml};
use crate::{
    key_path::{KeyPath, Step},
    nearest::nearest,
    node::{Content, Node},
    origin::Origin,
    reload::{ConfigChange, ReloadClass},
    schema::SectionSchema,
    secret::REDACTED,
};

/// All there is to know about one key.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The key with the value in force, and what set it.
    pub entry: ConfigEntry,
    /// What would hold without that, strongest first; the default is the last.
    pub overridden: Vec<Overridden>,
    /// The modules that read the section.
    pub readers: Vec<String>,
    /// Whether the key can change while the application runs.
    pub class: ReloadClass,
    /// The value that waits for the next start of the application, if one does.
    pub pending: Option<ConfigChange>,
    /// The doc comment of the key.
    pub text: String,
}

/// A value that another one has taken the place of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Overridden {
    /// The value; a secret is `"***"`, a reference is its own text.
    pub value: Value,
    /// What sets it.
    pub origin: Origin,
}

impl ConfigReport {
    /// Explains the key `key`, written from the section on: `http.addr`. `None` if no section has
    /// it.
    #[must_use]
    pub fn explain(&self, key: &str) -> Option<Explanation> {
        let found = |section: &SectionReport| {
            let entry = section.entries.iter().find(|entry| entry.key == key)?;
            let pending = self.pending.iter().find(|change| change.key == key);
            Some(section.explain(entry, pending.cloned()))
        };
        self.sections.iter().find_map(found)
    }

    /// The key that is most like `key`, if one is.
    #[must_use]
    pub fn nearest_key(&self, key: &str) -> Option<&str> {
        nearest(key, self.entries().map(|entry| entry.key.as_str()))
    }
}

impl SectionReport {
    fn explain(&self, entry: &ConfigEntry, pending: Option<ConfigChange>) -> Explanation {
        let mut overridden = entry.overridden.clone();
        if entry.origin != Origin::Default {
            let way = entry.path.steps().iter();
            let default = way.fold(&self.about.defaults, |value, step| match step {
                Step::Key(key) => &value[key.as_str()],
                Step::Index(index) => &value[*index],
            });
            let value = default.clone();
            overridden.push(Overridden { value, origin: Origin::Default });
        }
        Explanation {
            entry: entry.clone(),
            overridden,
            readers: self.section.readers().to_vec(),
            class: self.section.class(&entry.path),
            pending,
            text: self.about.schema.describe(&entry.path).to_owned(),
        }
    }
}

/// What each of `layers` says about the value at `path`, strongest first, but for the one that
/// `origin` names.
pub(super) fn overridden(
    schema: &SectionSchema,
    layers: &[&Node],
    path: &KeyPath,
    origin: &Origin,
) -> Vec<Overridden> {
    let said = layers.iter().rev().filter_map(|layer| layer.at(path));
    let others = said.filter(|node| node.origin != *origin);
    let value = |node: &Node| {
        if schema.touches_secret(path) { Value::from(REDACTED) } else { json(node) }
    };
    others.map(|node| Overridden { value: value(node), origin: node.origin.clone() }).collect()
}

/// A value as its source has it.
fn json(node: &Node) -> Value {
    match &node.content {
        Content::Bool(value) => Value::from(*value),
        Content::Int(value) => i64::try_from(*value).map_or(Value::Null, Value::from),
        Content::Float(value) => Value::from(*value),
        Content::Text(text) | Content::Loose(text) => {
            Value::from(crate::redact::text(text.as_str()))
        }
        Content::List(items) => items.iter().map(json).collect(),
        Content::Table(table) => {
            table.iter().map(|(key, node)| (key.clone(), json(node))).collect()
        }
        Content::Null | Content::Broken { .. } | Content::Hashed(_) | Content::Dropped => {
            Value::Null
        }
    }
}

impl Explanation {
    /// The explanation as JSON, for machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let overridden = self.overridden.iter();
        let overridden: Vec<_> = overridden
            .map(|it| json!({ "value": it.value, "origin": it.origin.to_string() }))
            .collect();
        json!({
            "key": self.entry.key,
            "value": self.entry.value,
            "origin": self.entry.origin.to_string(),
            "overridden": overridden,
            "readers": self.readers,
            "class": self.class.to_string(),
            "pending": self.pending.as_ref().map(ConfigChange::to_json),
            "text": self.text,
        })
    }
}

/// Shows the explanation as a person reads it, in several lines.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Value| toml(value).unwrap_or_else(|| "not set".to_owned());
        writeln!(f, "{} = {}\n", self.entry.key, value(&self.entry.value))?;
        writeln!(f, "    set by       {}", self.entry.origin)?;
        for (n, other) in self.overridden.iter().enumerate() {
            let title = if n == 0 { "instead of" } else { "" };
            writeln!(f, "    {title:<12} {}   {}", value(&other.value), other.origin)?;
        }
        if !self.readers.is_empty() {
            writeln!(f, "    read by      {}", self.readers.join(", "))?;
        }
        let class = match self.class {
            ReloadClass::Hot => "while the application runs",
            ReloadClass::Module => {
                "when its module starts, which today takes a start of the application"
            }
            ReloadClass::Restart => "when the application starts",
        };
        writeln!(f, "    takes effect {class} ({})", self.class)?;
        if let Some(pending) = &self.pending {
            let value = value(&pending.new);
            writeln!(f, "    waits for a start: {value}   {}", pending.origin)?;
        }
        for line in self.text.lines() {
            write!(f, "\n    {}", line.trim())?;
        }
        if self.text.is_empty() { Ok(()) } else { f.write_str("\n") }
    }
}
