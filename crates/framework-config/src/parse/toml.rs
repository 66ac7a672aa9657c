use std::ops::Range;

use toml_edit::{Array, Document, InlineTable, Item, Key, Table, Value};
use zeroize::Zeroizing;

use super::{ParseFault, Places};
use crate::{
    node::{Content, Node},
    origin::Origin,
};

pub(super) fn parse(places: &Places<'_>) -> Result<Node, ParseFault> {
    let document = Document::parse(places.text).map_err(|error| {
        let (line, column) = places.line_and_column(error.span().map_or(0, |span| span.start));
        let message = error.message();
        let message = message.strip_suffix(", expected nothing").unwrap_or(message).to_owned();
        ParseFault { message, line, column }
    })?;
    Ok(table(document.as_table(), &|span| places.offset(span.map_or(0, |span| span.start))))
}

/// Reads a single value, all of it from `origin`.
pub(crate) fn value_from_str(text: &str, origin: &Origin) -> Option<Node> {
    let parsed = text.parse::<Value>().ok()?;
    Some(value(&parsed, &|_| origin.clone()))
}

type Locate<'l> = &'l dyn Fn(Option<Range<usize>>) -> Origin;

fn table(table: &Table, locate: Locate<'_>) -> Node {
    let entries =
        table.iter().map(|(name, it)| entry(name, table.key(name), item(it, locate), locate));
    Node::new(Content::Table(entries.collect()), locate(table.span()))
}

fn inline(table: &InlineTable, locate: Locate<'_>) -> Node {
    let entries =
        table.iter().map(|(name, it)| entry(name, table.key(name), value(it, locate), locate));
    Node::new(Content::Table(entries.collect()), locate(table.span()))
}

fn entry(name: &str, key: Option<&Key>, mut node: Node, locate: Locate<'_>) -> (String, Node) {
    if let Some(span) = key.and_then(Key::span) {
        node.key_origin = Some(locate(Some(span)));
    }
    (name.to_owned(), node)
}

fn item(item: &Item, locate: Locate<'_>) -> Node {
    match item {
        Item::None => Node::new(Content::Null, locate(None)),
        Item::Value(it) => value(it, locate),
        Item::Table(it) => table(it, locate),
        Item::ArrayOfTables(tables) => {
            let items = tables.iter().map(|it| table(it, locate)).collect();
            Node::new(Content::List(items), locate(tables.span()))
        }
    }
}

fn value(value: &Value, locate: Locate<'_>) -> Node {
    let content = match value {
        Value::String(text) => Content::Text(Zeroizing::new(text.value().clone())),
        Value::Integer(number) => Content::Int((*number.value()).into()),
        Value::Float(number) => Content::Float(*number.value()),
        Value::Boolean(flag) => Content::Bool(*flag.value()),
        Value::Datetime(time) => Content::Text(Zeroizing::new(time.value().to_string())),
        Value::Array(array) => list(array, locate),
        Value::InlineTable(table) => return inline(table, locate),
    };
    Node::new(content, locate(value.span()))
}

fn list(array: &Array, locate: Locate<'_>) -> Content {
    Content::List(array.iter().map(|it| value(it, locate)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_value_takes_its_origin_from_the_caller() {
        let node = value_from_str("{ a = [1] }", &Origin::Argument).unwrap();
        assert_eq!(node.table().unwrap()["a"].origin, Origin::Argument);
    }
}
