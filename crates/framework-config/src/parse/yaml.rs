use std::{collections::BTreeMap, fmt, thread};

use serde::{
    Deserialize,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};
use zeroize::Zeroizing;

use super::{ParseFault, Places, too_deep};
use crate::node::{Content, Node};

/// The parser takes much of the stack for each level, and whoever calls it may be deep down in one
/// that is small.
const STACK_BYTES: usize = 16 << 20;

pub(super) fn parse(places: &Places<'_>) -> Result<Node, ParseFault> {
    if places.text.trim().is_empty() {
        return Ok(Node::empty_table(places.at(1, 1)));
    }
    let parse = || serde_saphyr::from_str::<Spanned<Yaml>>(places.text);
    let parsed = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || {
            parse().map(|root| node(root, places)).map_err(|error| fault(&error))
        });
        thread.ok().and_then(|thread| thread.join().ok())
    });
    // Without a thread, or if the parser panicked.
    let message = "the file cannot be taken apart".to_owned();
    parsed.unwrap_or(Err(ParseFault { message, line: 1, column: 1 }))
}

fn fault(error: &serde_saphyr::Error) -> ParseFault {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((1, 1), |at| line_and_column(&at));
    let text = error.to_string();
    let is_deep = text.contains("nesting depth") || text.contains("Depth");
    ParseFault { message: if is_deep { too_deep() } else { message(&text) }, line, column }
}

/// The first line, without the position and without advice to those who program the parser.
fn message(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let ends = [" at line ", ", set DuplicateKeyPolicy"].into_iter();
    let end = ends.filter_map(|end| line.find(end)).min().unwrap_or(line.len());
    line[..end].to_owned()
}

fn line_and_column(at: &Location) -> (usize, usize) {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    (number(at.line()), number(at.column()))
}

fn node(yaml: Spanned<Yaml>, places: &Places<'_>) -> Node {
    let content = match yaml.value {
        Yaml::Scalar(content) => content,
        Yaml::List(items) => {
            Content::List(items.into_iter().map(|item| node(item, places)).collect())
        }
        Yaml::Table(entries) => Content::Table(table(entries, places)),
    };
    let (line, column) = line_and_column(&yaml.referenced);
    Node::new(content, places.at(line, column))
}

fn table(
    entries: Vec<(Spanned<String>, Spanned<Yaml>)>,
    places: &Places<'_>,
) -> BTreeMap<String, Node> {
    let entry = |(key, value): (Spanned<String>, _)| {
        let mut node = node(value, places);
        let (line, column) = line_and_column(&key.referenced);
        node.key_origin = Some(places.at(line, column));
        (key.value, node)
    };
    entries.into_iter().map(entry).collect()
}

enum Yaml {
    Scalar(Content),
    List(Vec<Spanned<Self>>),
    Table(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Content::Null))
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Content::Null))
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Content::Bool(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Content::Int(number.into())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Content::Int(number.into())))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Content::Int(number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Content::Float(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Content::Text(Zeroizing::new(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Yaml, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Yaml::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Yaml, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Yaml::Table(entries))
    }
}
