use std::{
    collections::BTreeMap,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher},
    mem,
};

use zeroize::Zeroizing;

use crate::{
    key_path::{KeyPath, Step},
    origin::Origin,
};

/// A value of the configuration that is not typed yet, with the place that it comes from.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) origin: Origin,
    /// Where the key in front of the value stands, if that is another place.
    pub(crate) key_origin: Option<Origin>,
    /// The text with `${…}` that the value was made from. Such a value is never shown.
    pub(crate) reference: Option<String>,
}

/// What a [`Node`] holds.
#[derive(Clone)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Text that its source says is text.
    Text(Zeroizing<String>),
    /// Text from a source without types: what it means is up to whoever wants it.
    Loose(Zeroizing<String>),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// A reference that cannot be followed.
    Broken {
        what: String,
        cure: String,
    },
    /// A text that is nobody's to read: only whether it is another than before.
    Hashed(u64),
    /// A value that was found faulty; binding goes on as if it were not there.
    Dropped,
}

impl Node {
    pub(crate) fn new(content: Content, origin: Origin) -> Self {
        Self { content, origin, key_origin: None, reference: None }
    }

    pub(crate) fn loose(text: impl Into<String>, origin: Origin) -> Self {
        Self::new(Content::Loose(Zeroizing::new(text.into())), origin)
    }

    pub(crate) fn empty_table(origin: Origin) -> Self {
        Self::new(Content::Table(BTreeMap::new()), origin)
    }

    pub(crate) fn table(&self) -> Option<&BTreeMap<String, Self>> {
        match &self.content {
            Content::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) | Content::Loose(text) => Some(text),
            _ => None,
        }
    }

    /// Where a person finds the key, or the value if it has none.
    pub(crate) fn place(&self) -> &Origin {
        self.key_origin.as_ref().unwrap_or(&self.origin)
    }

    pub(crate) fn at(&self, path: &KeyPath) -> Option<&Self> {
        path.steps().iter().try_fold(self, Self::child)
    }

    pub(crate) fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.content, step) {
            (Content::Table(table), Step::Key(key)) => table.get(key),
            (Content::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    pub(crate) fn at_mut(&mut self, path: &KeyPath) -> Option<&mut Self> {
        path.steps().iter().try_fold(self, |node, step| match (&mut node.content, step) {
            (Content::Table(table), Step::Key(key)) => table.get_mut(key),
            (Content::List(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// Puts `node` at `path`, with tables on the way as needed. A value that is in the way gives
    /// way: within one source, what comes later wins.
    pub(crate) fn insert(&mut self, path: &KeyPath, node: Self) {
        let mut place = self;
        for step in path.steps() {
            let Step::Key(key) = step else { return };
            if place.table().is_none() {
                place.content = Content::Table(BTreeMap::new());
            }
            let Content::Table(table) = &mut place.content else { return };
            let origin = node.origin.clone();
            place = table.entry(key.clone()).or_insert_with(|| Self::empty_table(origin));
        }
        *place = node;
    }

    /// Takes out what is at `path`; tables on the way stay.
    pub(crate) fn remove(&mut self, path: &KeyPath) {
        let Some((parent, last)) = path.parent().zip(path.last_key()) else { return };
        if let Some(Content::Table(table)) = self.at_mut(&parent).map(|node| &mut node.content) {
            table.remove(last);
        }
    }

    /// Forgets the texts at the ways that `is_secret` picks; whether they change can still be told.
    pub(crate) fn forget(&mut self, path: &KeyPath, is_secret: &impl Fn(&KeyPath) -> bool) {
        let hash = |text: &str| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            Content::Hashed(hasher.finish())
        };
        match &mut self.content {
            Content::Text(text) | Content::Loose(text) if is_secret(path) => {
                self.content = hash(text);
            }
            Content::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.forget(&path.with(Step::Index(index)), is_secret);
                }
            }
            Content::Table(table) => {
                for (key, node) in table {
                    node.forget(&path.child(key), is_secret);
                }
            }
            _ => {}
        }
    }

    /// Whether anything at or below this node was dropped.
    pub(crate) fn has_dropped(&self) -> bool {
        match &self.content {
            Content::Dropped => true,
            Content::List(items) => items.iter().any(Self::has_dropped),
            Content::Table(table) => table.values().any(Self::has_dropped),
            _ => false,
        }
    }

    /// Whether anything at or below this node was made from a reference.
    pub(crate) fn is_tainted(&self) -> bool {
        self.reference.is_some()
            || match &self.content {
                Content::List(items) => items.iter().any(Self::is_tainted),
                Content::Table(table) => table.values().any(Self::is_tainted),
                _ => false,
            }
    }

    /// The text of every reference at or below this node.
    pub(crate) fn references(&self) -> Vec<&str> {
        match &self.content {
            Content::List(items) => items.iter().flat_map(Self::references).collect(),
            Content::Table(table) => table.values().flat_map(Self::references).collect(),
            _ => self.reference.as_deref().into_iter().collect(),
        }
    }

    /// Whether nothing but variables that every program sees sets anything at or below this node.
    pub(crate) fn is_conventional(&self) -> bool {
        match &self.content {
            Content::Table(table) if !table.is_empty() => table.values().all(Self::is_conventional),
            _ => self.origin.is_conventional(),
        }
    }

    /// The first table or list that is inside more than `levels` others, itself counted.
    pub(crate) fn deeper_than(&self, levels: usize) -> Option<&Self> {
        match &self.content {
            Content::List(_) | Content::Table(_) if levels == 0 => Some(self),
            Content::List(items) => items.iter().find_map(|item| item.deeper_than(levels - 1)),
            Content::Table(table) => table.values().find_map(|it| it.deeper_than(levels - 1)),
            _ => None,
        }
    }

    /// Adds what this says to a hash, and not where it says so.
    pub(crate) fn hash_content(&self, hasher: &mut impl Hasher) {
        mem::discriminant(&self.content).hash(hasher);
        match &self.content {
            Content::Null | Content::Dropped => {}
            Content::Bool(value) => value.hash(hasher),
            Content::Int(value) => value.hash(hasher),
            Content::Float(value) => value.to_bits().hash(hasher),
            Content::Text(text) | Content::Loose(text) => text.as_str().hash(hasher),
            Content::Hashed(value) => value.hash(hasher),
            Content::Broken { what, .. } => what.hash(hasher),
            Content::List(items) => {
                items.len().hash(hasher);
                items.iter().for_each(|item| item.hash_content(hasher));
            }
            Content::Table(table) => {
                table.len().hash(hasher);
                for (key, node) in table {
                    key.hash(hasher);
                    node.hash_content(hasher);
                }
            }
        }
    }

    /// The value as a person would have written it, for messages; `None` for tables and lists.
    pub(crate) fn display(&self) -> Option<String> {
        if let Some(reference) = &self.reference {
            return Some(format!("{reference:?}"));
        }
        match &self.content {
            Content::Null => Some("null".to_owned()),
            Content::Bool(value) => Some(value.to_string()),
            Content::Int(value) => Some(value.to_string()),
            Content::Float(value) => Some(value.to_string()),
            Content::Text(text) | Content::Loose(text) => {
                Some(format!("{:?}", crate::redact::text(text.as_str())))
            }
            Content::List(_)
            | Content::Table(_)
            | Content::Broken { .. }
            | Content::Hashed(_)
            | Content::Dropped => None,
        }
    }
}

/// Shows the form and never a value: any of them may be a secret.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Table(table) => f.debug_map().entries(table).finish(),
            Content::List(items) => f.debug_list().entries(items).finish(),
            _ => write!(f, "… ({})", self.origin),
        }
    }
}
