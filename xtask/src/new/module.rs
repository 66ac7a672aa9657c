//! A new module of an application.

use std::{
    fs,
    path::{Path, PathBuf},
};

use minijinja::context;

use super::{
    error::NewError,
    files::{self, Files},
    lib_file,
    name::Name,
    render::MODULE,
};

/// Writes a module, and adds it to the application in `dir`.
///
/// # Errors
///
/// Returns an error, before anything is written, if a name is not one, a need is not a module of
/// the application, the module exists, or `src/lib.rs` does not say where it goes.
pub(crate) fn module(name: &str, needs: &[String], dir: &Path) -> Result<(), NewError> {
    let name = Name::parse(name)?;
    let lib_path = dir.join("src/lib.rs");
    let lib = read(&lib_path)?;
    let needs = needs.iter().map(|need| known_need(need, &lib)).collect::<Result<Vec<_>, _>>()?;
    let changed = lib_file::add_module(&lib_path, &lib, &name)?;
    let text = MODULE.render(&context! {
        name => name.kebab(),
        pascal => name.pascal(),
        needs => needs,
    })?;

    let mut new = Files::default();
    new.add(dir.join("src").join(format!("{}.rs", name.snake())), text);
    new.write()?;
    files::replace(&lib_path, &changed)
}

/// The path of the type that a need names.
fn known_need(need: &str, lib: &str) -> Result<String, NewError> {
    let name = Name::parse(need)?;
    if lib_file::declared(lib).any(|module| module == name.snake()) {
        return Ok(format!("crate::{}::{}", name.snake(), name.pascal()));
    }
    let known: Vec<_> =
        lib_file::declared(lib).map(|module| format!("`{}`", module.replace('_', "-"))).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(NewError::UnknownNeed { need: need.to_owned(), known })
}

fn read(path: &Path) -> Result<String, NewError> {
    fs::read_to_string(path).map_err(|source| NewError::Read { path: PathBuf::from(path), source })
}
