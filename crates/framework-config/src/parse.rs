//! Texts into trees, each value with its line and column.

mod json;
mod toml;
mod yaml;

use std::sync::Arc;

use crate::{
    fault::Fault,
    node::{Content, Node},
    origin::Origin,
};

pub(crate) use self::toml::value_from_str as toml_value;

/// How deep tables and lists may be nested.
pub(crate) const MAX_DEPTH: usize = 64;

/// What is said about a source that is nested deeper.
pub(crate) fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

/// What a file is written in, told by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Toml,
    Yaml,
    Json,
}

/// Why a text is not a configuration, and where.
#[derive(Debug)]
pub(crate) struct ParseFault {
    pub(crate) message: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Gives places in one text.
pub(crate) struct Places<'t> {
    path: Arc<str>,
    text: &'t str,
    line_starts: Vec<usize>,
}

impl Format {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Reads `text`, which `path` names in messages.
pub(crate) fn parse(format: Format, path: &str, text: &str) -> Result<Node, Fault> {
    let places = Places::new(path, text);
    let parsed = match format {
        Format::Toml => toml::parse(&places),
        Format::Yaml => yaml::parse(&places),
        Format::Json => json::parse(&places),
    };
    let node = parsed.map_err(|fault| {
        let origin = places.at(fault.line, fault.column);
        // Each parser has a limit of its own, and its own words for it.
        let is_deep = fault.message.contains("recurs");
        Fault::file_at(&origin, if is_deep { too_deep() } else { fault.message })
    })?;
    if let Some(deep) = node.deeper_than(MAX_DEPTH) {
        return Err(Fault::file_at(&deep.origin, too_deep()));
    }
    match node.content {
        Content::Table(_) => Ok(node),
        Content::Null => Ok(Node::empty_table(node.origin)),
        _ => Err(Fault::file(path, "the file must hold a table of sections")),
    }
}

impl<'t> Places<'t> {
    fn new(path: &str, text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { path: path.into(), text, line_starts: std::iter::once(0).chain(ends).collect() }
    }

    fn at(&self, line: usize, column: usize) -> Origin {
        Origin::File { path: Arc::clone(&self.path), line, column }
    }

    /// The place of the byte at `offset`.
    fn offset(&self, offset: usize) -> Origin {
        let (line, column) = self.line_and_column(offset);
        self.at(line, column)
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self.line_starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

#[cfg(test)]
mod tests;
