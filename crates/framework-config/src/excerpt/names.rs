//! Whether a line of a file that was not understood can hold a secret.

use std::collections::BTreeSet;

use crate::{key_path::KeyPath, section::Section};

/// What the keys of an application are called.
#[derive(Debug, Default)]
pub(crate) struct KeyNames {
    all: BTreeSet<String>,
    /// Those that a secret stands under.
    secret: BTreeSet<String>,
    /// Those of tables.
    tables: BTreeSet<String>,
}

impl KeyNames {
    pub(crate) fn of(sections: &[&Section]) -> Self {
        let mut names = Self::default();
        names.all.insert("include".to_owned());
        for section in sections {
            let (name, schema) = (section.name(), section.schema());
            names.all.insert(name.to_owned());
            names.tables.insert(name.to_owned());
            if schema.touches_secret(&KeyPath::default()) {
                names.secret.insert(name.to_owned());
            }
            schema.names(&mut |key, is_table, is_secret| {
                names.all.insert(key.to_owned());
                if is_table {
                    names.tables.insert(key.to_owned());
                }
                if is_secret {
                    names.secret.insert(key.to_owned());
                }
            });
        }
        names
    }

    fn is_public(&self, key: &str) -> bool {
        self.all.contains(key) && !self.secret.contains(key)
    }

    /// Whether nothing in the line can be a secret: it has keys that are known and none of which is
    /// one, or nothing but such keys and brackets.
    pub(super) fn allow(&self, line: &str) -> bool {
        let line = line.trim();
        if line.starts_with('#') {
            return true;
        }
        let mut separators = line.match_indices(['=', ':']).map(|(at, _)| at).peekable();
        if separators.peek().is_none() {
            let words = line.split(|c: char| !is_key(c)).filter(|word| !word.is_empty());
            let header = line.starts_with('[');
            return words.into_iter().all(|word| {
                let number = word.chars().all(|c| c.is_ascii_digit());
                number || self.is_public(word) || header && self.all.contains(word)
            });
        }
        separators.all(|at| match key_before(&line[..at]) {
            Some(key) => {
                let value = &line[at + 1..];
                let opens = value.chars().all(|c| c.is_whitespace() || "[{".contains(c));
                self.is_public(key) || opens && self.tables.contains(key)
            }
            None => is_inside_a_value(line, at),
        })
    }
}

/// Whether the sign at `at` is one like those of an address, which separates nothing.
fn is_inside_a_value(line: &str, at: usize) -> bool {
    let touches = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace() && !"\"'".contains(c));
    line[at..].starts_with(':')
        && touches(line[..at].chars().next_back())
        && touches(line[at + 1..].chars().next())
}

fn is_key(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// The last part of the key that `text` ends with; `None` if it ends with something else.
pub(super) fn key_before(text: &str) -> Option<&str> {
    let text = text.trim_end();
    let before = text.trim_end_matches(|c: char| is_key(c) || "\"'.".contains(c));
    let key = text[before.len()..].trim_matches(['"', '\'']);
    let begins = before.trim_end().chars().next_back().is_none_or(|c| "{,-".contains(c));
    begins.then(|| key.rsplit('.').next().unwrap_or(key).trim_matches(['"', '\'']))
}
