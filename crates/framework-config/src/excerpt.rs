//! The lines of a file that a fault is about, without the secrets that stand in them.

mod names;

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use zeroize::Zeroizing;

pub(crate) use self::names::KeyNames;
use crate::{
    key_path::{KeyPath, Step},
    node::{Content, Node},
    origin::Origin,
    redact,
    secret::REDACTED,
    section::Section,
};

/// How many lines are shown before and after the one that is meant.
const AROUND: usize = 1;

/// A longer line says nothing more to a person, and a file may be one line.
const MAX_LINE_CHARS: usize = 160;

/// A few lines of a file of the configuration, around the place that a
/// [`Fault`](crate::Fault) is about. What is or may be a secret is left out.
///
/// This is what a program needs to draw a caret under the culprit; the command line does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    place: FilePlace,
    first_line: usize,
    lines: Vec<String>,
    /// Where in its line the culprit stands now, in characters from 0, and how long it is.
    mark: (usize, usize),
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePlace {
    pub(crate) path: Arc<str>,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// The text of a file, which may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SourceText(Arc<Zeroizing<String>>);

/// The texts of the files that were read, by their names.
pub(crate) type Texts = BTreeMap<Arc<str>, SourceText>;

/// Where a key or a value begins, and whether what follows may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    line: usize,
    column: usize,
    shown: bool,
}

// ===== impl Excerpt =====

impl Excerpt {
    /// The file's path, as it was given.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.place.path
    }

    /// The line of the culprit in the file, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.place.line
    }

    /// The column of the culprit in the file in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.place.column
    }

    /// The number of the first line in [`text`](Self::text), counted from 1.
    #[must_use]
    pub fn first_line(&self) -> usize {
        self.first_line
    }

    /// The lines, each with its end; secrets are `***`.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// Where the culprit stands in [`text`](Self::text), and how long it is: both in bytes.
    #[must_use]
    pub fn span(&self) -> (usize, usize) {
        let above = self.place.line - self.first_line;
        let before: usize = self.lines.iter().take(above).map(|line| line.len() + 1).sum();
        let line = self.lines.get(above).map_or("", String::as_str);
        let bytes = |chars: usize| line.chars().take(chars).map(char::len_utf8).sum::<usize>();
        let start = bytes(self.mark.0);
        (before + start, bytes(self.mark.0 + self.mark.1) - start)
    }

    /// An excerpt of a file that was understood: only values of known keys that are no secrets are
    /// shown. A key that is misspelt may be the key of a secret.
    pub(crate) fn of_parsed(
        place: &FilePlace,
        text: &SourceText,
        layers: &[&Node],
        sections: &[&Section],
    ) -> Self {
        let mut marks = Vec::new();
        for layer in layers {
            collect_marks(layer, &place.path, &KeyPath::default(), sections, &mut marks);
        }
        marks.sort_unstable();
        Self::of(place, text, |number, line| masked(number, line, &marks, place))
    }

    /// An excerpt of a file that was not understood, where any value may be a secret: the form of
    /// what stands there is shown, and keys.
    pub(crate) fn of_unparsed(place: &FilePlace, text: &SourceText) -> Self {
        Self::of(place, text, |_, line| (outline(line), place.column - 1))
    }

    /// As [`of_unparsed`](Self::of_unparsed), but as it stands if every key up to there is one of
    /// `names` that no secret stands under.
    pub(crate) fn of_unparsed_beside(
        place: &FilePlace,
        text: &SourceText,
        names: &KeyNames,
    ) -> Self {
        let mut before = text.as_str().lines().take(place.line + AROUND);
        if before.all(|line| names.allow(line)) {
            return Self::of(place, text, |_, line| {
                (redact::text(line).into_owned(), place.column - 1)
            });
        }
        Self::of_unparsed(place, text)
    }

    /// Cuts the lines out, each through `show`, which also says where the culprit stands then.
    fn of(
        place: &FilePlace,
        text: &SourceText,
        show: impl Fn(usize, &str) -> (String, usize),
    ) -> Self {
        let first_line = place.line.saturating_sub(AROUND).max(1);
        let cut = text
            .0
            .lines()
            .enumerate()
            .skip(first_line - 1)
            .take(place.line - first_line + 1 + AROUND);
        let mut mark = (0, 1);
        let mut lines = Vec::new();
        for (index, line) in cut {
            // Who comments a secret out has not made it public.
            let (mut shown, start) = match line.trim_start().starts_with('#') {
                true => ("# …".to_owned(), 0),
                false => show(index + 1, line),
            };
            if let Some(at) = comment(&shown) {
                shown.replace_range(at.., "# …");
            }
            let mut start = start.min(shown.chars().count());
            if shown.chars().count() > MAX_LINE_CHARS {
                let from = start.saturating_sub(MAX_LINE_CHARS / 2);
                let from = if index + 1 == place.line { from } else { 0 };
                shown = shown.chars().skip(from).take(MAX_LINE_CHARS).collect();
                start -= from.min(start);
            }
            if index + 1 == place.line {
                mark = (start, width(&shown, start));
            }
            lines.push(shown);
        }
        // The end of a file that ends with a line.
        while first_line + lines.len() <= place.line {
            lines.push(String::new());
        }
        Self { place: place.clone(), first_line, lines, mark }
    }
}

/// Where a comment begins behind something else. A line whose quotes do not match is cut early.
fn comment(line: &str) -> Option<usize> {
    let odd = |quote: char| line.matches(quote).count() % 2 == 1;
    let unclear = odd('"') || odd('\'');
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (c, quote) {
            ('#', None) => return Some(at),
            ('#', Some(_)) if unclear => return Some(at),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

/// How many characters the word or the text takes that begins at `start`.
fn width(line: &str, start: usize) -> usize {
    let mut rest = line.chars().skip(start);
    let Some(first) = rest.next() else { return 1 };
    let more = match first {
        '"' | '\'' => rest.position(|c| c == first).map(|end| end + 1),
        _ => {
            let word: String =
                rest.take_while(|c| !c.is_whitespace() && !",]}=#".contains(*c)).collect();
            Some(word.trim_end_matches(':').chars().count())
        }
    };
    1 + more.unwrap_or(0)
}

/// Notes where each key and each value at and below `node` stands in the file `path`.
fn collect_marks(
    node: &Node,
    path: &Arc<str>,
    at: &KeyPath,
    sections: &[&Section],
    marks: &mut Vec<Mark>,
) {
    let mut note = |origin: &Origin, shown: bool| {
        if let Origin::File { path: here, line, column } = origin
            && here == path
        {
            marks.push(Mark { line: *line, column: *column, shown });
        }
    };
    if let Some(key) = &node.key_origin {
        note(key, true);
    }
    match &node.content {
        Content::Table(table) => {
            note(&node.origin, true);
            for (key, child) in table {
                collect_marks(child, path, &at.child(key), sections, marks);
            }
        }
        Content::List(items) => {
            note(&node.origin, may_be_shown(at, sections));
            for (index, child) in items.iter().enumerate() {
                collect_marks(child, path, &at.with(Step::Index(index)), sections, marks);
            }
        }
        _ => note(&node.origin, may_be_shown(at, sections)),
    }
}

/// Whether a section knows the key, and that it is no secret.
fn may_be_shown(at: &KeyPath, sections: &[&Section]) -> bool {
    let Some((Step::Key(name), rest)) = at.steps().split_first() else { return true };
    let section = sections.iter().find(|section| section.name() == name);
    let rest: KeyPath = rest.iter().cloned().collect();
    section.is_some_and(|section| {
        section.schema().knows(&rest) && !section.schema().touches_secret(&rest)
    })
}

/// The line without what must not be shown; and where the culprit stands in it now.
fn masked(number: usize, line: &str, marks: &[Mark], place: &FilePlace) -> (String, usize) {
    let chars: Vec<char> = line.chars().collect();
    let here = marks.partition_point(|mark| mark.line < number);
    let mut shown = here.checked_sub(1).is_none_or(|last| marks[last].shown);
    let (mut out, mut from) = (String::new(), 0);
    let mut culprit = None;
    let mut put = |shown: bool, from: usize, to: usize, out: &mut String| {
        let length = out.chars().count();
        let wanted = place.column - 1;
        let inside = number == place.line && (from..to).contains(&wanted);
        let part: String = chars[from..to].iter().collect();
        if shown {
            out.push_str(&redact::text(&part));
            culprit = culprit.or(inside.then(|| length + wanted - from));
        } else if part.trim().is_empty() {
            out.push_str(&part);
        } else {
            out.push_str(REDACTED);
            culprit = culprit.or(inside.then_some(length));
        }
    };
    for mark in marks[here..].iter().take_while(|mark| mark.line == number) {
        let to = (mark.column - 1).min(chars.len());
        if to >= from {
            put(shown, from, to, &mut out);
            from = to;
        }
        shown = mark.shown;
    }
    put(shown, from, chars.len(), &mut out);
    (out, culprit.unwrap_or(place.column - 1))
}

/// The key of a line and the form of its value: quotes and brackets, which is what mistakes in the
/// syntax are about.
fn outline(line: &str) -> String {
    let value = line.find(['=', ':']).map_or(0, |at| at + 1);
    let (key, value) = line.split_at(value);
    let hide = |c: char| if c.is_whitespace() || "\"'[]{},#".contains(c) { c } else { '·' };
    // A line of many keys has values before the last of them.
    let key: Cow<'_, str> = match key.contains(['"', '\'', ',', '#']) && !is_quoted_key(key) {
        true => key.chars().map(hide).collect::<String>().into(),
        false => key.into(),
    };
    key.chars().chain(value.chars().map(hide)).collect()
}

/// Whether this is one key in quotes, as JSON has them, and what separates it from its value.
fn is_quoted_key(text: &str) -> bool {
    let text = text.trim_end_matches([':', '=']).trim();
    let text = text.trim_start_matches(['{', '-', ' ']);
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.contains(['"', ',', '#']))
}

// ===== impl FilePlace, SourceText =====

impl FilePlace {
    pub(crate) fn of(origin: &Origin) -> Option<Self> {
        match origin {
            Origin::File { path, line, column } => {
                Some(Self { path: Arc::clone(path), line: *line, column: *column })
            }
            _ => None,
        }
    }
}

impl SourceText {
    pub(crate) fn new(text: Zeroizing<String>) -> Self {
        Self(Arc::new(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows how long the text is, and nothing of it.
impl fmt::Debug for SourceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceText({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests;
