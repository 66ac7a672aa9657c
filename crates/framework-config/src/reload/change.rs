//! What differs between two configurations.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::{Value, json};

use crate::{
    key_path::{KeyPath, Step},
    node::{Content, Node},
    origin::Origin,
    report,
    secret::REDACTED,
    section::Section,
    snapshot::Snapshot,
};

/// One key whose value a reload changes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfigChange {
    /// The key, from the section on: `http.request_timeout`.
    pub key: String,
    /// The value before, as [`ConfigEntry::value`](crate::ConfigEntry::value) shows it: a secret
    /// is `"***"`, also if it was another one.
    pub old: Value,
    /// The value after, shown in the same way.
    pub new: Value,
    /// What sets the value after.
    pub origin: Origin,
    /// Whether the key can change while the application runs.
    pub class: ReloadClass,
    pub(crate) path: KeyPath,
}

/// What it takes to change a key: see
/// [`Settings::restart_keys`](crate::Settings::restart_keys).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReloadClass {
    /// It can change while the application runs.
    Hot,
    /// It is read once, when its module starts: see
    /// [`Settings::module_keys`](crate::Settings::module_keys).
    Module,
    /// It is read once, when the application starts.
    Restart,
}

impl ConfigChange {
    /// The change as JSON, for machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "key": self.key,
            "old": self.old,
            "new": self.new,
            "origin": self.origin.to_string(),
            "class": self.class.to_string(),
        })
    }
}

/// Shows the change in one line.
impl fmt::Display for ConfigChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {} ({})", self.key, self.old, self.new, self.origin)
    }
}

/// Shows the class as it is named in reports: `hot`, `module`, `restart`.
impl fmt::Display for ReloadClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hot => "hot",
            Self::Module => "module",
            Self::Restart => "restart",
        })
    }
}

/// What differs in the section at `index`, in the order of the keys.
pub(crate) fn changes(
    section: &Section,
    index: usize,
    old: &Snapshot,
    new: &Snapshot,
) -> Vec<ConfigChange> {
    let (Some(before), Some(after)) =
        (Side::of(section, index, old), Side::of(section, index, new))
    else {
        return Vec::new();
    };
    let changed = changed_paths(section, &before, &after);
    let change = |path: KeyPath| {
        let whole = KeyPath::key(section.name()).join(&path);
        ConfigChange {
            key: whole.to_string(),
            old: before.shown(&path),
            new: after.shown(&path),
            origin: crate::bind::origin(after.node, &path),
            class: section.class(&path),
            path: whole,
        }
    };
    changed.into_iter().map(change).collect()
}

/// One section of one configuration.
struct Side<'s> {
    node: &'s Node,
    /// What the section amounts to, defaults included; secrets are redacted, references are not.
    values: BTreeMap<KeyPath, Value>,
    shown: BTreeMap<&'s KeyPath, &'s Value>,
}

impl<'s> Side<'s> {
    fn of(section: &Section, index: usize, snapshot: &'s Snapshot) -> Option<Self> {
        let mut values = BTreeMap::new();
        let json = section.to_json(snapshot.value(index)?.as_ref());
        report::flatten(&KeyPath::default(), &json, &mut |path, value| {
            values.insert(path, value.clone());
        });
        let shown = snapshot.report().section(section.name()).collect();
        Some(Self { node: snapshot.node(index)?, values, shown })
    }

    fn shown(&self, path: &KeyPath) -> Value {
        match (self.shown.get(path), self.node.at(path)) {
            (Some(value), _) => (*value).clone(),
            // It is read, but its type does not say what it is now.
            (None, Some(_)) => Value::from(REDACTED),
            (None, None) => Value::Null,
        }
    }
}

fn changed_paths(section: &Section, before: &Side<'_>, after: &Side<'_>) -> BTreeSet<KeyPath> {
    let all = before.values.keys().chain(after.values.keys());
    let mut changed: BTreeSet<_> =
        all.filter(|path| before.values.get(path) != after.values.get(path)).cloned().collect();
    // A secret looks like any other, so there the sources decide. They would not do for the rest:
    // whoever writes a default out has changed nothing.
    let mut written = Vec::new();
    differences(&KeyPath::default(), Some(before.node), Some(after.node), &mut written);
    let hidden = |path: &KeyPath| {
        section.schema().touches_secret(path)
            || !before.values.contains_key(path)
            || !after.values.contains_key(path)
    };
    let covered = |path: &KeyPath, changed: &BTreeSet<KeyPath>| {
        changed.iter().any(|known| known.starts_with(path) || path.starts_with(known))
    };
    for path in written {
        if hidden(&path) && !covered(&path, &changed) {
            changed.insert(path);
        }
    }
    changed
}

/// Every place where the two trees say something else, tables taken apart.
fn differences(path: &KeyPath, old: Option<&Node>, new: Option<&Node>, found: &mut Vec<KeyPath>) {
    let tables = (old.and_then(Node::table), new.and_then(Node::table));
    if let (None, None) = tables {
        if !same(old, new) {
            found.push(path.clone());
        }
        return;
    }
    let keys = [tables.0, tables.1].into_iter().flatten().flat_map(BTreeMap::keys);
    for key in keys.collect::<BTreeSet<_>>() {
        let step = Step::Key(key.clone());
        let child = |node: Option<&Node>| node.and_then(|node| node.child(&step).cloned());
        differences(&path.child(key), child(old).as_ref(), child(new).as_ref(), found);
    }
}

fn same(old: Option<&Node>, new: Option<&Node>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => same_content(old, new),
        (None, None) => true,
        _ => false,
    }
}

fn same_content(old: &Node, new: &Node) -> bool {
    if let (Some(old), Some(new)) = (old.text(), new.text()) {
        return old == new;
    }
    match (&old.content, &new.content) {
        (Content::Null, Content::Null) => true,
        (Content::Hashed(old), Content::Hashed(new)) => old == new,
        (Content::Bool(old), Content::Bool(new)) => old == new,
        (Content::Int(old), Content::Int(new)) => old == new,
        (Content::Float(old), Content::Float(new)) => old.to_bits() == new.to_bits(),
        (Content::List(old), Content::List(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_content(old, new))
        }
        (Content::Table(old), Content::Table(new)) => {
            old.len() == new.len()
                && old
                    .iter()
                    .all(|(key, old)| new.get(key).is_some_and(|new| same_content(old, new)))
        }
        _ => false,
    }
}
