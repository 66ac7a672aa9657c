//! One section: from a tree of nodes to a typed value, with everything that is wrong on the way.

use crate::{
    de::{BindError, Cause, NodeDeserializer},
    fault::{Fault, Faults},
    key_path::KeyPath,
    nearest::nearest,
    node::{Content, Node},
    origin::Origin,
    schema::SectionSchema,
    secret,
    settings::Settings,
};

/// After so many faults of one section the rest is not looked for: each costs another try.
const MAX_FAULTS: usize = 100;

/// What became of a section.
#[derive(Debug)]
pub(crate) struct Bound<T> {
    /// The value; if there are faults, with defaults in the place of what was faulty.
    pub(crate) value: Option<T>,
    /// Everything that is wrong; never empty without a value.
    pub(crate) faults: Vec<Fault>,
}

struct Binder<'s> {
    section: KeyPath,
    schema: &'s SectionSchema,
    original: &'s Node,
    /// The section without what was found faulty.
    rest: Node,
    dropped: Vec<KeyPath>,
    faults: Vec<Fault>,
}

/// Binds the section called `section`.
///
/// Deserialising stops at the first fault, so each is noted, taken out, and the rest tried again:
/// that way a person sees all of them at once. Every round takes out one more value.
pub(crate) fn bind<T: Settings>(section: &str, node: &Node, schema: &SectionSchema) -> Bound<T> {
    let mut binder = Binder {
        section: KeyPath::key(section),
        schema,
        original: node,
        rest: node.clone(),
        dropped: Vec::new(),
        faults: Vec::new(),
    };
    let value = loop {
        match T::deserialize(NodeDeserializer::new(&binder.rest)) {
            Ok(value) => break Some(value),
            Err(_) if binder.faults.len() >= MAX_FAULTS => {
                let key = binder.section.clone();
                binder.faults.push(Fault::value(key, "has more problems than these", node.place()));
                break None;
            }
            Err(error) => {
                if !binder.take_out(error) {
                    break None;
                }
            }
        }
    };
    if let Some(value) = &value {
        binder.validate(value);
    }
    let mut faults = binder.faults;
    if value.is_none() && faults.is_empty() {
        faults.push(Fault::value(KeyPath::key(section), "cannot be read", node.place()));
    }
    Bound { value, faults }
}

impl Binder<'_> {
    /// Notes the fault and takes the culprit out; `false` if the whole section would have to go.
    fn take_out(&mut self, error: BindError) -> bool {
        let BindError { path, cause } = error;
        let culprit = match &cause {
            Cause::UnknownKey { key, .. } => path.child(key),
            _ => path,
        };
        match cause {
            Cause::Missing { key } => self.note_missing(&culprit, key),
            // What is wrong around a value that was taken out may be wrong only because it is gone.
            _ if self.rest.at(&culprit).is_some_and(Node::has_dropped) => {}
            cause => self.faults.extend(self.fault(&culprit, cause)),
        }
        self.drop_at(culprit)
    }

    /// Notes every key that the table at `at` lacks: serde tells only the first.
    fn note_missing(&mut self, at: &KeyPath, first: &str) {
        let mut keys = self.schema.required(at);
        if !keys.contains(&first) {
            keys.push(first);
        }
        let table = self.original.at(at).and_then(Node::table);
        keys.retain(|key| !table.is_some_and(|table| table.contains_key(*key)));
        let origin = self.nearest_node(at).place();
        let faults = keys.into_iter().map(|key| {
            let fault = Fault::value(self.section.join(&at.child(key)), "is missing", origin);
            fault.cured_by(Some(format!("set `{key}`")))
        });
        let faults: Vec<_> = faults.collect();
        self.faults.extend(faults);
    }

    /// Drops the value at `path`. Text that was taken apart has no inside: then all of it goes.
    fn drop_at(&mut self, mut path: KeyPath) -> bool {
        loop {
            if path.steps().is_empty() {
                return false;
            }
            if let Some(node) = self.rest.at_mut(&path)
                && !matches!(node.content, Content::Dropped)
            {
                node.content = Content::Dropped;
                self.dropped.push(path);
                return true;
            }
            let Some(parent) = path.parent() else { return false };
            path = parent;
        }
    }

    fn fault(&self, at: &KeyPath, cause: Cause) -> Option<Fault> {
        if let Cause::UnknownKey { key, known } = cause {
            return self.unknown_key(at, &key, known);
        }
        let node = self.nearest_node(at);
        let silent = self.is_silent(at, node);
        let (what, cure) = match cause {
            Cause::Broken { what, cure } => {
                let fault = Fault::value(self.section.join(at), what, &node.origin);
                return Some(fault.showing(node.display()).cured_by(Some(cure)));
            }
            Cause::Mismatch { wanted } => (requirement(&wanted), retyped(&wanted, node)),
            Cause::UnknownVariant { given, known } => {
                let near = nearest(&given, known.iter().copied()).filter(|_| !silent);
                let cure = near.map(|near| format!("did you mean \"{near}\"?"));
                (format!("must be one of {}", list(known)), cure)
            }
            Cause::Custom(text) if silent || text == secret::INVALID => {
                return Some(Fault::value(self.section.join(at), secret::INVALID, &node.origin));
            }
            Cause::Custom(text) => match text.split_once(", write ") {
                Some((what, cure)) => (what.to_owned(), Some(format!("write {cure}"))),
                None => (text, None),
            },
            Cause::UnknownKey { .. } | Cause::Missing { .. } | Cause::Ignored => return None,
        };
        let shown = if silent { None } else { node.display() };
        let cure = cure.filter(|_| !silent);
        Some(Fault::value(self.section.join(at), what, &node.origin).showing(shown).cured_by(cure))
    }

    fn unknown_key(&self, at: &KeyPath, key: &str, known: &[&'static str]) -> Option<Fault> {
        let node = self.nearest_node(at);
        if key.starts_with("x-") || node.is_conventional() {
            return None;
        }
        let table = at.parent().unwrap_or_default();
        let siblings = self.schema.children(&table).into_iter().chain(known.iter().copied());
        let sibling = nearest(key, siblings).map(|near| table.child(near));
        let leaves = self.schema.leaves();
        let elsewhere =
            || leaves.iter().map(|leaf| &leaf.path).find(|it| it.last_key() == Some(key));
        let cure = sibling
            .or_else(|| elsewhere().cloned())
            .map(|near| format!("did you mean `{}`?", self.section.join(&near)));
        Some(Fault::value(self.section.join(at), "unknown key", node.place()).cured_by(cure))
    }

    fn validate<T: Settings>(&mut self, value: &T) {
        let mut found = Faults::new();
        value.validate(&mut found);
        for fault in found.into_vec() {
            // The default that stands in for a faulty value is nobody's mistake.
            if self.dropped.iter().any(|gone| fault.key.starts_with(gone)) {
                continue;
            }
            let places = std::iter::once(&fault.key).chain(fault.others());
            let mut origins: Vec<Origin> = Vec::new();
            for origin in places.map(|key| origin(self.original, key)) {
                if !origins.contains(&origin) {
                    origins.push(origin);
                }
            }
            let first = origins.first().cloned().unwrap_or_default();
            let origins: Vec<_> = origins.iter().map(ToString::to_string).collect();
            let node = self.original.at(&fault.key);
            let shown =
                node.filter(|node| !self.is_silent(&fault.key, node)).and_then(Node::display);
            let key = self.section.join(&fault.key);
            let mut placed = Fault::value(key, fault.what, &first).showing(shown);
            placed.origin = origins.join(", ").into();
            self.faults.push(placed.cured_by(fault.cure.map(Into::into)));
        }
    }

    /// Whether the value must not be shown, nor what its type says about it.
    fn is_silent(&self, at: &KeyPath, node: &Node) -> bool {
        node.is_tainted() || self.schema.touches_secret(at)
    }

    fn nearest_node(&self, path: &KeyPath) -> &Node {
        let mut path = path.clone();
        loop {
            match (self.original.at(&path), path.parent()) {
                (Some(node), _) => return node,
                (None, Some(parent)) => path = parent,
                (None, None) => return self.original,
            }
        }
    }
}

/// What sets the value at `path` below `node`.
pub(crate) fn origin(node: &Node, path: &KeyPath) -> Origin {
    let mut node = node;
    for step in path.steps() {
        match node.child(step) {
            Some(child) => node = child,
            // A table in one line of text sets everything in it; another leaves the default.
            None if node.table().is_some() => return Origin::Default,
            None => return node.origin.clone(),
        }
    }
    node.origin.clone()
}

/// What a type wants, in the words of a person.
fn requirement(wanted: &str) -> String {
    let range = |least: i128, most: u128| format!("must be a whole number from {least} to {most}");
    match wanted {
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "u64" | "u128" | "usize" => "must be a whole number, 0 or more".to_owned(),
        "i8" => range(i8::MIN.into(), 127),
        "i16" => range(i16::MIN.into(), 32_767),
        "i32" => range(i32::MIN.into(), 2_147_483_647),
        "i64" | "i128" | "isize" => "must be a whole number".to_owned(),
        "f32" | "f64" => "must be a number".to_owned(),
        "a boolean" => "must be true or false".to_owned(),
        "a string" | "path string" => "must be text".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a map" => "must be a table".to_owned(),
        _ if wanted.starts_with("struct ") => "must be a table".to_owned(),
        _ if wanted.starts_with("a nonzero ") => "must be a whole number other than 0".to_owned(),
        _ => format!("must be {wanted}"),
    }
}

/// The same value as the type that is wanted, where that is only a matter of quotes.
fn retyped(wanted: &str, node: &Node) -> Option<String> {
    match (&node.content, wanted) {
        (Content::Int(_) | Content::Float(_) | Content::Bool(_), "a string") => {
            Some(format!("write \"{}\"", node.display()?))
        }
        (Content::Text(text), "a boolean") => {
            text.parse::<bool>().is_ok().then(|| format!("write {}", text.as_str()))
        }
        (Content::Text(text), "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64") => {
            text.parse::<i64>().is_ok().then(|| format!("write {}", text.as_str()))
        }
        (Content::Loose(text), "a sequence") => Some(format!("write [{}]", text.as_str())),
        (Content::Text(text), "a sequence") => Some(format!("write [{:?}]", text.as_str())),
        _ => None,
    }
}

fn list(known: &[&str]) -> String {
    let quoted: Vec<_> = known.iter().map(|choice| format!("\"{choice}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests;
