//! The `lib.rs` of an application: two lines in it say where a new module goes.

use std::path::Path;

use super::{error::NewError, name::Name};

/// Above this line stand the `mod` lines.
const MOD_MARKER: &str = "// new: mod";

/// Above this line stand the modules that `app()` is made of.
const APP_MARKER: &str = "// new: module";

/// Adds a module above each of the two markers, indented as the marker is.
///
/// # Errors
///
/// Returns an error if a marker is not there exactly once, or the module is there already.
pub(super) fn add_module(path: &Path, text: &str, name: &Name) -> Result<String, NewError> {
    let (snake, pascal) = (name.snake(), name.pascal());
    if declared(text).any(|module| module == snake) {
        return Err(NewError::Declared { path: path.to_owned(), module: snake });
    }
    let text = insert_above(path, text, MOD_MARKER, &format!("mod {snake};"))?;
    let text = insert_above(path, &text, APP_MARKER, &format!("{snake}::{pascal},"))?;
    Ok(sort_block_above(&text, MOD_MARKER))
}

/// The modules that the file declares.
pub(super) fn declared(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim().strip_suffix(';')?;
        let (visibility, module) =
            line.split_once("mod ").or(line.strip_prefix("mod ").map(|m| ("", m)))?;
        (visibility.is_empty() || visibility.starts_with("pub")).then_some(module.trim())
    })
}

fn insert_above(
    path: &Path,
    text: &str,
    marker: &'static str,
    line: &str,
) -> Result<String, NewError> {
    let at_marker = |line: &&str| line.trim() == marker;
    if text.lines().filter(at_marker).count() != 1 {
        return Err(NewError::Marker { path: path.to_owned(), marker });
    }
    let mut out = String::with_capacity(text.len() + line.len() + 16);
    for old in text.split_inclusive('\n') {
        if at_marker(&old) {
            let indent = &old[..old.len() - old.trim_start().len()];
            out.extend([indent, line, "\n"]);
        }
        out.push_str(old);
    }
    Ok(out)
}

/// Sorts the `mod` lines right above the marker, as rustfmt would.
fn sort_block_above(text: &str, marker: &str) -> String {
    let mut lines: Vec<_> = text.split_inclusive('\n').collect();
    let end = lines.iter().position(|line| line.trim() == marker).unwrap_or(0);
    let is_mod = |line: &&str| line.starts_with("mod ");
    let length = lines[..end].iter().rev().take_while(|line| is_mod(line)).count();
    let above = lines[..end - length].last().map_or("", |line| line.trim());
    // What stands above the first of them may be about it alone, such as `#[cfg(test)]`.
    let bound = usize::from(length > 0 && !above.is_empty());
    lines[end - length + bound..end].sort_unstable();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "mod greeting;\n// new: mod\n\npub fn app() {\n    (\n        greeting::Greeting,\n        // new: module\n    )\n}\n";

    fn add(text: &str, name: &str) -> Result<String, NewError> {
        add_module(Path::new("src/lib.rs"), text, &Name::parse(name).unwrap())
    }

    #[test]
    fn a_module_is_added_above_each_marker() {
        let once = add(LIB, "order-book").unwrap();
        assert_eq!(
            once,
            "mod greeting;\nmod order_book;\n// new: mod\n\npub fn app() {\n    (\n        \
             greeting::Greeting,\n        order_book::OrderBook,\n        // new: module\n    )\n}\n"
        );
        let twice = add(&once, "billing").unwrap();
        assert!(twice.starts_with("mod billing;\nmod greeting;\nmod order_book;\n// new: mod\n"));
        assert!(
            twice.contains(
                "        order_book::OrderBook,\n        billing::Billing,\n        // new"
            ),
            "the application keeps the order in which its modules were added:\n{twice}"
        );
    }

    #[test]
    fn an_attribute_stays_with_its_module() {
        let text = LIB.replace("mod greeting;", "mod zoo;\n#[cfg(test)]\nmod greeting;");
        let text = add(&text, "billing").unwrap();
        assert!(
            text.starts_with("mod zoo;\n#[cfg(test)]\nmod greeting;\nmod billing;\n"),
            "{text}"
        );
    }

    #[test]
    fn a_module_that_is_there_already_is_refused() {
        let error = add(LIB, "greeting").unwrap_err();
        assert_eq!(error.to_string(), "`src/lib.rs` declares the module `greeting` already");
    }

    #[test]
    fn a_file_without_a_marker_or_with_two_is_refused_by_naming_it() {
        for marker in [MOD_MARKER, APP_MARKER] {
            let line = LIB.lines().find(|line| line.trim() == marker).unwrap();
            for text in [LIB.replace(line, ""), LIB.replace(line, &format!("{line}\n{line}"))] {
                let error = add(&text, "billing").unwrap_err();
                assert!(matches!(&error, NewError::Marker { marker: m, .. } if *m == marker));
                assert!(error.to_string().contains(marker), "{error}");
            }
        }
    }

    #[test]
    fn declared_modules_are_found_whatever_their_visibility() {
        let text = "mod a;\npub mod b;\npub(crate) mod c;\n// mod d;\nmod e {\nuse model;\n";
        assert_eq!(declared(text).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
