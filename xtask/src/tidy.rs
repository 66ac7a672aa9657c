//! `cargo xtask tidy`: what neither rustfmt nor clippy checks.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{print, visit, workspace::Workspace};

/// A file that is longer is several ideas in one.
const MAX_LINES: usize = 600;

/// Written in two halves, so that this file does not find itself.
const UNFINISHED: [&str; 2] = [concat!("todo", "!("), concat!("unimplemented", "!(")];

/// The source files are not in order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{count} untidy places")]
    Untidy { count: usize },
}

/// Looks through every Rust file of the workspace, and prints all that is wrong.
///
/// # Errors
///
/// Returns an error if anything is wrong, or a file cannot be read.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TidyError> {
    let mut count = 0;
    for dir in ["crates", "examples", "xtask", "bench", "tests"] {
        let dir = workspace.root().join(dir);
        let files = visit::files(&dir).map_err(|source| TidyError::Read { path: dir, source })?;
        for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "rs")) {
            let text = fs::read_to_string(file)
                .map_err(|source| TidyError::Read { path: file.clone(), source })?;
            let shown = file.strip_prefix(workspace.root()).unwrap_or(file);
            for fault in faults(shown, &text) {
                print::bad(&fault);
                count += 1;
            }
        }
    }
    if count == 0 { Ok(()) } else { Err(TidyError::Untidy { count }) }
}

fn faults(file: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let shown = file.display();
    if file.file_name().is_some_and(|name| name == "mod.rs") {
        faults.push(format!("{shown}: a module `foo` is `foo.rs`, with its parts in `foo/`"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES && !is_test(file) {
        faults.push(format!("{shown}: {lines} lines, and {MAX_LINES} is the limit: split it"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        if UNFINISHED.iter().any(|mark| code.contains(mark)) {
            faults.push(format!("{shown}:{number}: unfinished code"));
        }
    }
    faults
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        faults(Path::new(file), text)
    }

    #[test]
    fn a_mod_file_is_found() {
        assert_eq!(
            found("crates/a/src/b/mod.rs", ""),
            ["crates/a/src/b/mod.rs: a module `foo` is `foo.rs`, with its parts in `foo/`"]
        );
    }

    #[test]
    fn unfinished_code_is_found_with_its_line_and_a_remark_about_it_is_not() {
        let text =
            format!("fn a() {{\n    {}\"later\")\n}}\n// {})\n", UNFINISHED[0], UNFINISHED[1]);
        assert_eq!(found("a.rs", &text), ["a.rs:2: unfinished code"]);
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_a_test() {
        let text = "\n".repeat(MAX_LINES + 1);
        assert_eq!(found("a.rs", &text), ["a.rs: 601 lines, and 600 is the limit: split it"]);
        assert!(found("a.rs", &"\n".repeat(MAX_LINES)).is_empty());
        assert!(found("a/tests.rs", &text).is_empty());
        assert!(found("tests/it/main.rs", &text).is_empty());
    }
}
