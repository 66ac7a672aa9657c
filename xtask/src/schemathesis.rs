//! Schemathesis against the shop's own document: whatever fits the document is sent, and much that
//! does not, and each answer is held to what the document says.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{
    Outcome,
    command::Invocation,
    print,
    running::{Running, free_address},
    workspace::Workspace,
};

/// The version that the answers of the shop were looked through with.
const VERSION: &str = "4.32.5";

/// How long the shop may take until it is ready, and until it has stopped.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked for. All checks but one: whether something exists that a request names, such as
/// the category of a product, no schema says, so a request that fits the schema may be refused.
const ARGUMENTS: &[&str] = &[
    "--checks=all",
    "--exclude-checks=positive_data_acceptance",
    "--max-examples=100",
    "--seed=1",
    "--generation-database=none",
    "--warnings=off",
    "--no-color",
];

/// The shop was not asked, or did not answer as its document says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemathesisError {
    #[error("schemathesis is missing: run `{cure}`")]
    Missing { cure: String },
    #[error("cannot run `{}`", program.display())]
    Run { program: PathBuf, source: io::Error },
    #[error("the shop does not answer as its document says: {status}")]
    Failed { status: ExitStatus },
}

/// Where schemathesis is, if it is installed: in an environment of its own under `target`, or
/// wherever the shell finds it.
pub(crate) fn find(target: &Path) -> Option<PathBuf> {
    let own = home(target).join("bin/schemathesis");
    [own, PathBuf::from("schemathesis")].into_iter().find(|program| {
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// The command that installs it under `target`.
pub(crate) fn install_command(target: &Path) -> String {
    let home = home(target);
    let home = home.display();
    format!("python3 -m venv {home} && {home}/bin/pip install schemathesis=={VERSION}")
}

/// Builds the shop, runs it on a database of its own, and lets schemathesis ask it.
///
/// # Errors
///
/// Returns an error if schemathesis is missing, the shop does not start or stop as it should, or an
/// answer is not what the document says.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let target = workspace.target()?;
    let program = find(&target)
        .ok_or_else(|| SchemathesisError::Missing { cure: install_command(&target) })?;
    Invocation::cargo(workspace.root(), "build --package shop --bins").run()?;

    let dir = tempfile::tempdir()?;
    let http = free_address()?;
    let variables = [
        ("SHOP_HTTP__ADDR".to_owned(), http.to_string()),
        ("SHOP_ADMIN__ENABLED".to_owned(), "false".to_owned()),
    ];
    let binary = target.join("debug/shop");
    let mut shop = Running::start_quietly(&binary, dir.path(), &variables)?;
    shop.answer(http, "/readyz", PATIENCE)?;
    ask(&program, dir.path(), &format!("http://{http}/openapi.json"))?;
    shop.stop(PATIENCE)?;
    Ok(())
}

/// Runs schemathesis in `dir`, where it may leave what it likes.
fn ask(program: &Path, dir: &Path, document: &str) -> Result<(), SchemathesisError> {
    print::command(&format!("{} run {document} {}", program.display(), ARGUMENTS.join(" ")));
    let mut command = Command::new(program);
    command.args(["run", document]).args(ARGUMENTS).current_dir(dir).stdin(Stdio::null());
    let status = command.status();
    let status =
        status.map_err(|source| SchemathesisError::Run { program: program.to_owned(), source })?;
    if status.success() { Ok(()) } else { Err(SchemathesisError::Failed { status }) }
}

fn home(target: &Path) -> PathBuf {
    target.join("schemathesis")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_is_missing_the_command_is_named_that_installs_it_where_it_is_looked_for() {
        let command = install_command(Path::new("/t"));
        assert!(command.starts_with("python3 -m venv /t/schemathesis && "), "{command}");
        assert!(command.ends_with(&format!("pip install schemathesis=={VERSION}")), "{command}");
        let error = SchemathesisError::Missing { cure: command.clone() };
        assert_eq!(error.to_string(), format!("schemathesis is missing: run `{command}`"));
    }

    #[test]
    fn what_was_installed_under_the_target_directory_is_what_runs() {
        let target = tempfile::tempdir().unwrap();
        let bin = target.path().join("schemathesis/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink("/bin/true", bin.join("schemathesis")).unwrap();
        assert_eq!(find(target.path()), Some(bin.join("schemathesis")));
    }
}
