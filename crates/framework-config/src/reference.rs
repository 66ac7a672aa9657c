//! `${env:X}`, `${env:X:-default}` and `${file:/path}` in values.

use std::{collections::BTreeMap, path::Path};

use zeroize::Zeroizing;

use crate::{
    files,
    node::{Content, Node},
};

/// A reference that cannot be followed.
#[derive(Debug, PartialEq)]
struct Unresolved {
    what: String,
    cure: String,
}

/// Text in which every reference was followed.
struct Resolved {
    text: Zeroizing<String>,
    followed: bool,
}

/// Follows the references in every value at and below `node`. One that cannot be followed stays in
/// the tree, and becomes a fault if its section is bound.
pub(crate) fn resolve_all(node: &mut Node, variables: &BTreeMap<String, String>) {
    match &mut node.content {
        Content::List(items) => items.iter_mut().for_each(|item| resolve_all(item, variables)),
        Content::Table(table) => {
            table.values_mut().for_each(|value| resolve_all(value, variables));
        }
        Content::Text(text) | Content::Loose(text) if text.contains("${") => {
            let original = text.to_string();
            let resolved = resolve(text, variables);
            match resolved {
                Ok(resolved) if resolved.followed => {
                    // What a variable or a file holds has no type.
                    node.content = Content::Loose(resolved.text);
                    node.reference = Some(original);
                }
                Ok(resolved) => *text = resolved.text,
                Err(Unresolved { what, cure }) => {
                    node.content = Content::Broken { what, cure };
                    node.reference = Some(original);
                }
            }
        }
        _ => {}
    }
}

/// The text with its references followed; `None` if one cannot be.
pub(crate) fn resolved(text: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    if !text.contains("${") {
        return Some(text.to_owned());
    }
    let names = text.split("${env:").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
    let variables = names.filter_map(|name| Some((name.to_owned(), variable(name)?))).collect();
    resolve(text, &variables).ok().map(|resolved| resolved.text.to_string())
}

/// Whether `text` is one reference, and says nothing itself.
pub(crate) fn is_nothing_else(text: &str) -> bool {
    let inner = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    inner.is_some_and(|inner| !inner.contains(['}', '$']) && !inner.contains(":-"))
}

/// The files that `text` refers to.
pub(crate) fn files(text: &str) -> impl Iterator<Item = &str> {
    text.split("${file:").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

fn resolve(text: &str, variables: &BTreeMap<String, String>) -> Result<Resolved, Unresolved> {
    let mut resolved = Resolved { text: Zeroizing::default(), followed: false };
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            resolved.text.push_str(before);
            resolved.text.push_str("${");
            rest = after;
            continue;
        }
        let Some((reference, after)) = after.split_once('}') else {
            let what = "the reference has no end".to_owned();
            return Err(Unresolved { what, cure: "close it with `}`, or write `$${`".to_owned() });
        };
        resolved.text.push_str(before);
        resolved.text.push_str(&follow(reference, variables)?);
        resolved.followed = true;
        rest = after;
    }
    resolved.text.push_str(rest);
    Ok(resolved)
}

fn follow(
    reference: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Zeroizing<String>, Unresolved> {
    match reference.split_once(':') {
        Some(("env", rest)) => variable(rest, variables),
        Some(("file", path)) => file(Path::new(path)),
        _ => Err(Unresolved {
            what: format!("unknown reference `${{{reference}}}`"),
            cure: format!(
                "write ${{env:NAME}} or ${{file:/path}}; for plain text, $${{{reference}}}"
            ),
        }),
    }
}

fn variable(
    rest: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Zeroizing<String>, Unresolved> {
    let (name, default) = match rest.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (rest, None),
    };
    let value = match (variables.get(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Some(default),
        (Some(value), _) => Some(value.as_str()),
        (None, default) => default,
    };
    value.map(|value| Zeroizing::new(value.to_owned())).ok_or_else(|| Unresolved {
        what: format!("the variable {name} is not set"),
        cure: format!("set it, or write ${{env:{name}:-default}}"),
    })
}

fn file(path: &Path) -> Result<Zeroizing<String>, Unresolved> {
    let mut text = files::text(path).map_err(|unreadable| Unresolved {
        what: format!("{}: {}", path.display(), unreadable.reason),
        cure: "mount the file, or correct the path".to_owned(),
    })?;
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let variables = [("HOST", "db"), ("EMPTY", "")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let resolved = resolve(text, &variables);
        let resolved = resolved.map(|it| it.text.to_string()).map_err(|error| error.what);
        assert_eq!(resolved, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_text_is_followed_or_refused_and_what_refers_to_nothing_stays(
            text in "(\\$|\\{|\\}|:|-|env|file|HOST|/|ü|\\PC){0,24}",
        ) {
            let variables = [("HOST".to_owned(), "db".to_owned())].into();
            match resolve(&text, &variables) {
                Ok(resolved) if !text.contains("${") => prop_assert_eq!(&*resolved.text, &text),
                Ok(_) => {}
                Err(unresolved) => prop_assert!(!unresolved.cure.is_empty()),
            }
            // Doubling each sign makes plain text of whatever it was.
            let doubled = text.replace('$', "").replace('{', "$${");
            let plain = resolve(&doubled, &variables).unwrap();
            prop_assert_eq!(&*plain.text, &doubled.replace("$${", "${"));
            let _ = (resolved(&text, |_| None), is_nothing_else(&text), files(&text).count());
        }
    }

    #[test]
    fn references_are_followed_wherever_they_stand() {
        check("${env:HOST}", Ok("db"));
        check("pg://${env:HOST}:${env:PORT:-5432}/x", Ok("pg://db:5432/x"));
        check("${env:EMPTY}", Ok(""));
        check("${env:EMPTY:-none}", Ok("none"));
        check("$5 and {}", Ok("$5 and {}"));
    }

    #[test]
    fn a_doubled_dollar_is_plain_text() {
        check("$${env:HOST}", Ok("${env:HOST}"));
        check("$${a} ${env:HOST}", Ok("${a} db"));
    }

    #[test]
    fn what_cannot_be_followed_says_why() {
        check("${env:GONE}", Err("the variable GONE is not set"));
        check("${file:/nowhere/x}", Err("/nowhere/x: the file is not there"));
        check("${HOME}", Err("unknown reference `${HOME}`"));
        check("${env:HOST", Err("the reference has no end"));
    }

    #[test]
    fn the_newline_at_the_end_of_a_file_is_not_part_of_the_value() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        check(&format!("${{file:{}}}", path.display()), Ok("s3cret"));
    }
}
