use std::{fmt, panic::Location};

/// A kind of error that has a page of its own.
///
/// A layer keeps its codes in a table, so that each can be explained on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// The code: `"E0103"`.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// What it means, what leads to it, and what to do: plain text, several paragraphs.
    pub page: &'static str,
}

/// Where something comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A place in the source.
    Source(&'static Location<'static>),
    /// Anything else that a person can find: a line of a file, a variable, an argument.
    Text(String),
}

/// Something wrong, as it is told to a person: what, the evidence with its places, and the cure.
///
/// # Examples
///
/// ```
/// use framework_core::{ErrorCode, Issue};
///
/// static PORT: ErrorCode = ErrorCode { id: "E0900", title: "a port is taken", page: "…" };
///
/// let issue = Issue::new(&PORT, "port 80 is taken").evidence("nginx has it").help("take another");
/// assert_eq!(
///     issue.to_string(),
///     "error[E0900]: port 80 is taken\n\n    nginx has it\n\nhelp: take another\n",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an issue tells nobody until it is reported"]
pub struct Issue {
    code: &'static ErrorCode,
    summary: String,
    rows: Vec<(String, Option<Place>)>,
    help: Vec<String>,
}

impl Issue {
    /// Something is wrong; `summary` says what, in one line, without a full stop.
    pub fn new(code: &'static ErrorCode, summary: impl Into<String>) -> Self {
        Self { code, summary: summary.into(), rows: Vec::new(), help: Vec::new() }
    }

    /// Adds a line of evidence.
    pub fn evidence(mut self, line: impl Into<String>) -> Self {
        self.rows.push((line.into(), None));
        self
    }

    /// Adds a line of evidence with its place; the places of an issue line up in a column.
    pub fn evidence_at(mut self, line: impl Into<String>, place: impl Into<Place>) -> Self {
        self.rows.push((line.into(), Some(place.into())));
        self
    }

    /// Adds a cure.
    pub fn help(mut self, cure: impl Into<String>) -> Self {
        self.help.push(cure.into());
        self
    }

    /// The kind of error.
    #[must_use]
    pub fn code(&self) -> &'static ErrorCode {
        self.code
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The evidence, each line with its place if it has one.
    pub fn rows(&self) -> impl Iterator<Item = (&str, Option<&Place>)> {
        self.rows.iter().map(|(text, place)| (text.as_str(), place.as_ref()))
    }

    /// The cures, most likely first.
    pub fn cures(&self) -> impl Iterator<Item = &str> {
        self.help.iter().map(String::as_str)
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error[{}]: {}", self.code.id, self.summary)?;
        let placed = self.rows.iter().filter(|(_, place)| place.is_some());
        let width = placed.map(|(text, _)| text.chars().count()).max().unwrap_or(0);
        for (n, (text, place)) in self.rows.iter().enumerate() {
            if n == 0 {
                writeln!(f)?;
            }
            match place {
                Some(place) => writeln!(f, "    {text:width$}   {place}")?,
                None if text.is_empty() => writeln!(f)?,
                None => writeln!(f, "    {text}")?,
            }
        }
        for (n, cure) in self.help.iter().enumerate() {
            let lead = if n == 0 { "\n" } else { "" };
            writeln!(f, "{lead}help: {cure}")?;
        }
        Ok(())
    }
}

impl From<&'static Location<'static>> for Place {
    fn from(location: &'static Location<'static>) -> Self {
        Self::Source(location)
    }
}

impl From<String> for Place {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The column says nothing that the line does not.
            Self::Source(location) => write!(f, "{}:{}", location.file(), location.line()),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CODE: ErrorCode = ErrorCode { id: "E0001", title: "a test", page: "" };

    #[test]
    fn places_line_up() {
        let issue = Issue::new(&CODE, "two of them")
            .evidence_at("a", "x.toml:1".to_owned())
            .evidence("")
            .evidence_at("longer", "env B".to_owned())
            .help("one")
            .help("two");
        assert_eq!(
            issue.to_string(),
            "error[E0001]: two of them\n\n    a        x.toml:1\n\n    longer   env B\n\nhelp: one\nhelp: two\n",
        );
    }
}
