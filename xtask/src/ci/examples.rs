//! The examples as a user meets them: built as the README says, started in an empty directory,
//! asked one thing, told to stop.

use std::{net::SocketAddr, path::Path, time::Duration};

use crate::{
    Outcome,
    command::Invocation,
    print,
    running::{Running, free_address},
    workspace::Workspace,
};

/// How long an application may take until it answers.
const START: Duration = Duration::from_secs(30);

/// How long it may take to stop: the default of the framework, and a little more.
const STOP: Duration = Duration::from_secs(30);

/// The examples, each with a path that answers 200 and a part of what it answers.
const EXAMPLES: [(&str, &str, &str); 3] =
    [("hello", "/", "hello"), ("shop", "/products", "items"), ("feeds", "/feeds", "items")];

/// An application answers, but not what it should.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` answers `GET {path}` without `{wanted}`:\n{answer}")]
struct WrongAnswer {
    name: String,
    path: String,
    wanted: String,
    answer: String,
}

/// Builds the examples and tries each.
///
/// # Errors
///
/// Returns an error if one does not build, start, answer, or stop with 0.
pub(super) fn run(workspace: &Workspace) -> Outcome {
    let packages = EXAMPLES.iter().flat_map(|(name, ..)| ["--package", name]);
    Invocation::cargo(workspace.root(), "build --bins").args(packages).run()?;
    let binaries = workspace.target()?.join("debug");
    for (name, path, wanted) in EXAMPLES {
        let dir = tempfile::tempdir()?;
        smoke(&binaries.join(name), dir.path(), path, wanted)?;
    }
    Ok(())
}

/// Starts the application in `dir`, sees it ready and answering, and stops it.
///
/// # Errors
///
/// Returns an error if it does not start, answers something else, or does not stop with 0.
pub(super) fn smoke(binary: &Path, dir: &Path, path: &str, wanted: &str) -> Outcome {
    let name = binary.file_name().unwrap_or(binary.as_os_str()).display().to_string();
    let (http, admin) = (free_address()?, free_address()?);
    let mut app = Running::start_quietly(binary, dir, &addresses(&name, http, admin))?;
    app.answer(http, "/readyz", START)?;
    let answer = app.answer(http, path, START)?;
    if !answer.contains(wanted) {
        let (path, wanted) = (path.to_owned(), wanted.to_owned());
        return Err(WrongAnswer { name, path, wanted, answer }.into());
    }
    app.stop(STOP)?;
    print::note(&format!("{name}: ready, answered `GET {path}`, stopped with 0"));
    Ok(())
}

/// The variables that put an application's listeners where we look for them.
fn addresses(name: &str, http: SocketAddr, admin: SocketAddr) -> [(String, String); 2] {
    let prefix = name.to_uppercase().replace('-', "_");
    [
        (format!("{prefix}_HTTP__ADDR"), http.to_string()),
        (format!("{prefix}_ADMIN__ADDR"), admin.to_string()),
    ]
}
