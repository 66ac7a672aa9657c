//! Lists and tables in text without types.

use crate::{
    node::{Content, Node},
    parse,
};

/// Reads `[a, b]`. Items may be quoted, and may be lists or tables themselves; a comma in quotes
/// or brackets does not separate.
pub(super) fn list(text: &str, source: &Node) -> Option<Vec<Node>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let items = split(inner)?;
    Some(items.into_iter().map(|item| self::item(item, source)).collect())
}

/// Reads a table as TOML writes it in one line: `{ a = 1, b = "x" }`.
pub(super) fn table(text: &str, source: &Node) -> Option<Node> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut node = parse::toml_value(text.trim(), &source.origin)?;
    node.reference.clone_from(&source.reference);
    matches!(node.content, Content::Table(_)).then_some(node)
}

fn item(text: &str, source: &Node) -> Node {
    let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    let text = quoted('"').or_else(|| quoted('\'')).unwrap_or(text);
    let mut node = Node::loose(text, source.origin.clone());
    node.reference.clone_from(&source.reference);
    node
}

/// Splits at the commas that stand outside quotes and brackets; `None` if those do not match, or
/// are nested too deep.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut items, mut start, mut depth, mut quote) = (Vec::new(), 0, 0usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') if text[start..at].trim().is_empty() => quote = Some(c),
            (None, '[' | '{') if depth == parse::MAX_DEPTH => return None,
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 || quote.is_some() {
        return None;
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        items.push(last);
    }
    Some(items)
}
