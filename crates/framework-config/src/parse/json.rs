use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize,
    de::{self, Error as _, MapAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};
use zeroize::Zeroizing;

use super::{MAX_DEPTH, ParseFault, Places, too_deep};
use crate::node::{Content, Node};

pub(super) fn parse(places: &Places<'_>) -> Result<Node, ParseFault> {
    let root: &RawValue = serde_json::from_str(places.text)
        .map_err(|error| fault(&error, (error.line(), error.column())))?;
    node(root, places, 0)
}

/// A raw value knows the text that it is a part of, and so its place: serde has no other way to
/// tell one.
fn node(raw: &RawValue, places: &Places<'_>, depth: usize) -> Result<Node, ParseFault> {
    let text = raw.get();
    let span = span_of(text, places.text);
    let place = places.line_and_column(span.start);
    if depth > MAX_DEPTH {
        let message = too_deep();
        return Err(ParseFault { message, line: place.0, column: place.1 });
    }
    let failed = |error: serde_json::Error| fault(&error, place);
    let content = match text.as_bytes().first() {
        Some(b'{') => {
            let entries: Entries<'_> = serde_json::from_str(text).map_err(failed)?;
            let entries = entries.0.into_iter().map(|(key, value)| {
                let mut value = node(value, places, depth + 1)?;
                // A key with escapes is a copy, which stands nowhere.
                if let Cow::Borrowed(key) = key {
                    let quote = span_of(key, places.text).start.saturating_sub(1);
                    value.key_origin = Some(places.offset(quote));
                }
                Ok((key.into_owned(), value))
            });
            Content::Table(entries.collect::<Result<_, ParseFault>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(failed)?;
            let items = items.into_iter().map(|item| node(item, places, depth + 1));
            Content::List(items.collect::<Result<_, _>>()?)
        }
        _ => scalar(serde_json::from_str(text).map_err(failed)?),
    };
    Ok(Node::new(content, places.offset(span.start)))
}

fn scalar(value: serde_json::Value) -> Content {
    match value {
        serde_json::Value::Bool(flag) => Content::Bool(flag),
        serde_json::Value::String(text) => Content::Text(Zeroizing::new(text)),
        serde_json::Value::Number(number) => match number.as_i128() {
            Some(whole) => Content::Int(whole),
            None => Content::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        // Tables and lists have been taken apart before.
        _ => Content::Null,
    }
}

/// Where `part`, which was borrowed from `whole`, stands in it.
fn span_of(part: &str, whole: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

fn fault(error: &serde_json::Error, place: (usize, usize)) -> ParseFault {
    let text = error.to_string();
    // The position in the text is relative to a part; the one beside it is right.
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let message = match error.classify() {
        Category::Eof => "the file ends too early".to_owned(),
        _ => message.to_owned(),
    };
    ParseFault { message, line: place.0.max(1), column: place.1.max(1) }
}

/// The entries of an object, in their order; a key that comes twice is an error.
struct Entries<'t>(Vec<(Cow<'t, str>, &'t RawValue)>);

#[derive(Deserialize)]
struct EntryKey<'t>(#[serde(borrow)] Cow<'t, str>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((EntryKey(key), value)) = map.next_entry()? {
                    if entries.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom(format_args!("the key `{key}` comes twice")));
                    }
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}
