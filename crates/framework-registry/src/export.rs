mod dot;
mod json;
mod mermaid;
mod svg;

use std::str::FromStr;

use crate::Graph;

/// A form that a [`Graph`] can be written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines for people and for tests.
    #[default]
    Text,
    /// A Mermaid flow chart, for Markdown.
    Mermaid,
    /// A Graphviz graph.
    Dot,
    /// Everything there is to know, for tools.
    Json,
    /// A drawing.
    Svg,
}

/// The name of a format that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a format: use one of text, mermaid, dot, json, svg")]
pub struct UnknownFormat {
    name: String,
}

impl Format {
    /// Every format, with its name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("text", Self::Text),
        ("mermaid", Self::Mermaid),
        ("dot", Self::Dot),
        ("json", Self::Json),
        ("svg", Self::Svg),
    ];
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, format)| *format).ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

impl Graph {
    /// Writes the graph in `format`. The same graph gives the same text.
    #[must_use]
    pub fn export(&self, format: Format) -> String {
        match format {
            Format::Text => self.to_string(),
            Format::Mermaid => mermaid::write(self),
            Format::Dot => dot::write(self),
            Format::Json => json::write(self),
            Format::Svg => svg::write(self),
        }
    }
}
