//! The key `include` of a file: which files come before it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    fault::Fault,
    node::{Content, Node},
    origin::Origin,
};

/// The key, which no section can have for its name.
pub(crate) const KEY: &str = "include";

/// What one entry of the list means.
#[derive(Debug)]
pub(crate) enum Include {
    /// One file, which must be there.
    File { path: PathBuf, origin: Origin },
    /// Those files in a directory that match, which may be none.
    Pattern { directory: PathBuf, pattern: String, origin: Origin },
}

/// Takes the key out of what a file says.
pub(crate) fn take(root: &mut Node) -> Option<Node> {
    match &mut root.content {
        Content::Table(table) => table.remove(KEY),
        _ => None,
    }
}

/// What the list in the file at `by` means, entry by entry; a single text is a list of one.
pub(crate) fn resolve(by: &Path, include: &Node) -> Vec<Result<Include, Fault>> {
    let beside = by.parent().unwrap_or(Path::new(""));
    match &include.content {
        Content::List(items) => items.iter().map(|item| entry(beside, item)).collect(),
        _ => vec![entry(beside, include)],
    }
}

fn entry(beside: &Path, item: &Node) -> Result<Include, Fault> {
    let text = item.text().filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| {
        let mut fault = Fault::file_at(&item.origin, "`include` must be a list of paths");
        fault.cure("write include = [\"other.toml\", \"conf.d/*.toml\"]");
        fault
    })?;
    let (path, origin) = (beside.join(text), item.origin.clone());
    let is_pattern = |part: &str| part.contains(['*', '?']);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let directory = path.parent().unwrap_or(Path::new(""));
    if directory.to_str().is_some_and(is_pattern) {
        let what = format!("`{text}`: only the name of the file may be a pattern");
        return Err(Fault::file_at(&item.origin, what));
    }
    Ok(match is_pattern(name) {
        true => {
            Include::Pattern { directory: directory.to_owned(), pattern: name.to_owned(), origin }
        }
        false => Include::File { path, origin },
    })
}

/// The files in `directory` whose names match `pattern`, sorted by name. As in a shell, `*` is any
/// number of characters, `?` is one, and neither is the point that a hidden file begins with.
pub(crate) fn matching(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let here = if directory == Path::new("") { Path::new(".") } else { directory };
    let Ok(entries) = fs::read_dir(here) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let hidden = |name: &str| name.starts_with('.') && !pattern.starts_with('.');
    let mut names: Vec<_> = names.filter(|name| !hidden(name) && matches(name, pattern)).collect();
    names.sort_unstable();
    let paths = names.into_iter().map(|name| directory.join(name));
    paths.filter(|path| path.is_file()).collect()
}

fn matches(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) =
        (name.chars().collect(), pattern.chars().collect());
    // Which beginnings of the name the pattern so far matches.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for wanted in pattern {
        let before = reached.clone();
        for at in 0..=name.len() {
            reached[at] = match wanted {
                '*' => before[at] || at > 0 && reached[at - 1],
                '?' => at > 0 && before[at - 1],
                wanted => at > 0 && before[at - 1] && name[at - 1] == wanted,
            };
        }
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_as_in_a_shell() {
        for (name, pattern, expected) in [
            ("a.toml", "*.toml", true),
            ("a.toml", "*", true),
            ("a.toml", "?.toml", true),
            ("ab.toml", "?.toml", false),
            ("a.toml.bak", "*.toml", false),
            ("10-db.toml", "??-*.toml", true),
            ("a", "a*a", false),
            ("aba", "a*a", true),
            ("", "*", true),
        ] {
            assert_eq!(matches(name, pattern), expected, "{name} {pattern}");
        }
    }
}
