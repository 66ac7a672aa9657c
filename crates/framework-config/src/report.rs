mod explain;
mod reference;
mod schema;
mod show;

use std::sync::Arc;

use serde_json::{Map, Value, json};

pub use self::explain::{Explanation, Overridden};
pub(crate) use self::show::toml;
use crate::{
    bind,
    key_path::KeyPath,
    loaded::Loaded,
    node::{Content, Node},
    origin::Origin,
    reload::ConfigChange,
    secret::REDACTED,
    section::{About, AnySettings, Generate, Section},
};

/// Where an FNV-1a hash begins.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// What a configuration amounts to: each value with its origin, secrets redacted, and what may be
/// in it.
#[derive(Clone, Debug, Default)]
pub struct ConfigReport {
    app: Option<String>,
    profile: String,
    files: Vec<String>,
    generation: u64,
    sections: Vec<SectionReport>,
    pending: Vec<ConfigChange>,
}

/// One section of a report.
#[derive(Clone, Debug)]
struct SectionReport {
    name: String,
    about: Arc<About>,
    generate: Generate,
    section: Section,
    entries: Vec<ConfigEntry>,
}

/// One value of the configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfigEntry {
    /// The key, from the section on: `http.addr`.
    pub key: String,
    /// The value in force. A secret is `"***"`, a reference is its own text, what is absent is
    /// null.
    pub value: Value,
    /// What set it.
    pub origin: Origin,
    path: KeyPath,
    overridden: Vec<Overridden>,
}

impl ConfigReport {
    pub(crate) fn new(loaded: &Loaded, generation: u64) -> Self {
        Self {
            app: loaded.sources().app().map(str::to_owned),
            profile: loaded.profile().to_owned(),
            files: loaded.files().map(str::to_owned).collect(),
            generation,
            sections: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// A report of sections whose sources could not be read.
    pub(crate) fn without_values(sections: &[&Section]) -> Self {
        let mut report = Self::default();
        let nothing = Node::empty_table(Origin::Default);
        sections.iter().for_each(|section| report.add(section, &nothing, &[], None));
        report
    }

    /// Says which changes wait for the next start.
    pub(crate) fn waiting_for_restart(self, pending: Vec<ConfigChange>) -> Self {
        Self { pending, ..self }
    }

    pub(crate) fn of_generation(self, generation: u64) -> Self {
        Self { generation, ..self }
    }

    /// Every value of one section, by its path within it.
    pub(crate) fn section(&self, name: &str) -> impl Iterator<Item = (&KeyPath, &Value)> {
        let sections = self.sections.iter().filter(move |section| section.name == name);
        sections.flat_map(|section| &section.entries).map(|entry| (&entry.path, &entry.value))
    }

    /// Adds a section; `node` is what the sources said about it, `layers` what each of them said,
    /// and `value` what it was bound to.
    pub(crate) fn add(
        &mut self,
        section: &Section,
        node: &Node,
        layers: &[&Node],
        value: Option<&AnySettings>,
    ) {
        let mut effective = value.map_or(Value::Null, |value| section.to_json(value));
        redact(&mut effective, node, &tainted(node));
        crate::redact::json(&mut effective);
        let mut entries = Vec::new();
        flatten(&KeyPath::default(), &effective, &mut |path, value| {
            let key = KeyPath::key(section.name()).join(&path).to_string();
            let origin = bind::origin(node, &path);
            let overridden = explain::overridden(section.schema(), layers, &path, &origin);
            entries.push(ConfigEntry { key, value: value.clone(), origin, path, overridden });
        });
        self.sections.push(SectionReport {
            name: section.name().to_owned(),
            about: Arc::clone(section.about()),
            generate: section.generate(),
            section: section.clone(),
            entries,
        });
    }

    /// The profile in force.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The files that were read, weakest first.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// How many configurations have been in force, this one included: 1 after the start, and 0 if
    /// the sources could not be read.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The changes that the sources say and that wait for the next start of the application, because
    /// their keys are read only then. Always empty unless `config.on_restart_keys` is `report`.
    #[must_use]
    pub fn pending(&self) -> &[ConfigChange] {
        &self.pending
    }

    /// A number that is the same for configurations that show the same, on every machine. Secrets
    /// have no part in it.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.entries().fold(FNV_START, |hash, entry| {
            let hash = fnv1a(hash, entry.key.as_bytes());
            fnv1a(fnv1a(hash, &[0]), entry.value.to_string().as_bytes())
        })
    }

    /// Every value of every section, sections by name and keys in the alphabet within a table. A
    /// section that could not be read at all has none.
    pub fn entries(&self) -> impl Iterator<Item = &ConfigEntry> {
        self.sections.iter().flat_map(|section| &section.entries)
    }

    /// The values with their origins as JSON, for machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let values = self.entries().map(|entry| {
            let origin = entry.origin.to_string();
            json!({ "key": entry.key, "value": entry.value, "origin": origin })
        });
        json!({
            "profile": self.profile,
            "generation": self.generation,
            "hash": format!("{:016x}", self.hash()),
            "files": self.files,
            "pending_restart": self.pending.iter().map(ConfigChange::to_json).collect::<Vec<_>>(),
            "values": values.collect::<Vec<_>>(),
        })
    }

    fn title(&self) -> &str {
        self.app.as_deref().unwrap_or("the application")
    }
}

/// The 64-bit FNV-1a hash (RFC 9923), continued: the standard library's promise nothing across
/// releases.
fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Calls `visit` with every value that is not a table, in order: the values of a table before its
/// tables, so that TOML can follow it.
pub(crate) fn flatten(path: &KeyPath, value: &Value, visit: &mut impl FnMut(KeyPath, &Value)) {
    let Some(table) = value.as_object() else { return };
    let is_table = |value: &Value| value.as_object().is_some_and(|table| !table.is_empty());
    for (key, value) in table.iter().filter(|(_, value)| !is_table(value)) {
        visit(path.child(key), value);
    }
    for (key, value) in table.iter().filter(|(_, value)| is_table(value)) {
        flatten(&path.child(key), value, visit);
    }
}

/// Puts references in the place of what they were resolved to.
fn redact(value: &mut Value, node: &Node, tainted: &[&str]) {
    if let Some(reference) = &node.reference {
        if !value.is_null() && value != REDACTED {
            *value = Value::String(reference.clone());
        }
        return;
    }
    match (value, &node.content) {
        (Value::Object(map), Content::Table(table)) => {
            redact_map(map, |key| table.get(key), tainted);
        }
        (Value::Object(map), _) => redact_map(map, |_| None, tainted),
        (Value::Array(items), content) => {
            let nodes = if let Content::List(nodes) = content { nodes.as_slice() } else { &[] };
            let nothing = Node::empty_table(Origin::Default);
            for (index, item) in items.iter_mut().enumerate() {
                redact(item, nodes.get(index).unwrap_or(&nothing), tainted);
            }
        }
        // A type may keep a value under another key than the one it read it from.
        (Value::String(text), _) if tainted.iter().any(|it| repeats(text, it)) => {
            *text = REDACTED.to_owned();
        }
        _ => {}
    }
}

fn redact_map<'n>(
    map: &mut Map<String, Value>,
    node: impl Fn(&str) -> Option<&'n Node>,
    tainted: &[&str],
) {
    let nothing = Node::empty_table(Origin::Default);
    for (key, value) in map {
        redact(value, node(key).unwrap_or(&nothing), tainted);
    }
}

/// Whether `text` gives `tainted` away. A short one may be in any text by accident.
fn repeats(text: &str, tainted: &str) -> bool {
    text == tainted || tainted.len() >= 4 && text.contains(tainted)
}

/// Every text at or below `node` that came out of a reference.
fn tainted(node: &Node) -> Vec<&str> {
    match &node.content {
        Content::Table(table) => table.values().flat_map(tainted).collect(),
        Content::List(items) => items.iter().flat_map(tainted).collect(),
        _ if node.reference.is_some() => {
            node.text().filter(|it| !it.is_empty()).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
