//! A new application.

use std::{
    fs,
    path::{Path, PathBuf, absolute},
};

use minijinja::context;

use super::{
    error::NewError,
    files::Files,
    name::Name,
    render::{
        APP_BUILD, APP_CONFIG, APP_GITIGNORE, APP_GREETING, APP_LIB, APP_MAIN, APP_MANIFEST,
        APP_README, APP_TESTS,
    },
};
use crate::workspace::Workspace;

/// Writes an application, and returns its directory.
///
/// # Errors
///
/// Returns an error, before anything is written, if the name is not one, the place is not one that
/// cargo would build in, or a file exists.
pub(crate) fn app(
    workspace: &Workspace,
    name: &str,
    path: Option<&Path>,
    framework: Option<&str>,
) -> Result<PathBuf, NewError> {
    let name = Name::parse(name)?;
    let dir = normal(path.unwrap_or(Path::new(name.kebab())))?;
    let member = is_member(workspace, &dir)?;
    let values = context! {
        name => name.kebab(),
        crate_name => name.snake(),
        prefix => name.shouted(),
        framework => match framework {
            Some(framework) => given(framework)?,
            None => by_path(&workspace.root().join("crates/framework"))?,
        },
        member => member,
    };

    let mut files = Files::default();
    for (path, template) in [
        (".gitignore", APP_GITIGNORE),
        ("Cargo.toml", APP_MANIFEST),
        ("README.md", APP_README),
        ("build.rs", APP_BUILD),
        ("config/app.toml", APP_CONFIG),
        ("src/main.rs", APP_MAIN),
        ("src/lib.rs", APP_LIB),
        ("src/greeting.rs", APP_GREETING),
        ("tests/it/main.rs", APP_TESTS),
    ] {
        files.add(dir.join(path), template.render(&values)?);
    }
    files.write()?;
    Ok(dir)
}

/// Whether the directory is one that the workspace takes its members from.
fn is_member(workspace: &Workspace, dir: &Path) -> Result<bool, NewError> {
    let root = normal(workspace.root())?;
    if !dir.starts_with(&root) {
        Ok(false)
    } else if dir.parent() == Some(&root.join("examples")) {
        Ok(true)
    } else {
        Err(NewError::InsideWorkspace { path: dir.to_owned() })
    }
}

/// The path without links as far as it exists, so that two spellings of one place are equal.
fn normal(path: &Path) -> Result<PathBuf, NewError> {
    let failed = |source| NewError::Read { path: path.to_owned(), source };
    let path = absolute(path).map_err(failed)?;
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
    let existing = fs::canonicalize(existing).map_err(failed)?;
    Ok(if rest.as_os_str().is_empty() { existing } else { existing.join(rest) })
}

/// The dependency as the command line says it: a directory that is there, or a version.
fn given(framework: &str) -> Result<String, NewError> {
    let dir = Path::new(framework);
    if !framework.is_empty() && dir.join("Cargo.toml").is_file() {
        return by_path(dir);
    }
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if framework.split('.').all(number) && framework.split('.').count() <= 3 {
        return Ok(format!("version = \"{framework}\""));
    }
    Err(NewError::Framework { framework: framework.to_owned() })
}

fn by_path(dir: &Path) -> Result<String, NewError> {
    let dir = normal(dir)?;
    match dir.to_str() {
        Some(text) if !text.contains(['"', '\\']) && !text.contains(char::is_control) => {
            Ok(format!("path = \"{text}\""))
        }
        _ => Err(NewError::Path { path: dir }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_framework_is_a_directory_or_a_version_and_nothing_else() {
        assert_eq!(given("0.1").unwrap(), "version = \"0.1\"");
        assert_eq!(given("1.2.3").unwrap(), "version = \"1.2.3\"");
        let here = env!("CARGO_MANIFEST_DIR");
        assert_eq!(given(here).unwrap(), format!("path = \"{here}\""));
        for text in ["", "latest", "1.2.3.4", "1.", "/no/such/directory", "1\" }"] {
            assert!(matches!(given(text), Err(NewError::Framework { .. })), "{text}");
        }
    }

    #[test]
    fn a_directory_whose_name_would_break_the_manifest_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a\"b");
        assert!(matches!(by_path(&odd), Err(NewError::Path { .. })));
    }

    #[test]
    fn inside_the_workspace_only_examples_can_be_members() {
        let workspace = Workspace::here();
        let member = |path: &str| is_member(&workspace, &workspace.root().join(path));
        assert!(member("examples/blog").unwrap());
        assert!(matches!(member("blog"), Err(NewError::InsideWorkspace { .. })));
        assert!(matches!(member("examples/a/b"), Err(NewError::InsideWorkspace { .. })));
        assert!(!is_member(&workspace, Path::new("/tmp/blog")).unwrap());
    }
}
