//! `cargo xtask new`: the first files of an application or of a module.

mod app;
mod error;
mod files;
mod lib_file;
mod module;
mod name;
mod render;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

pub(crate) use self::{app::app, module::module};
use crate::{Outcome, print, workspace::Workspace};

/// What `cargo xtask new` is told.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Writes an application of one module: a route, a section of configuration, and tests.
    App {
        /// Its name, in kebab-case.
        name: String,
        /// Where to write it. Defaults to a directory of its name.
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
        /// The framework it builds on, as a directory or as a version. Defaults to this workspace.
        #[arg(long, value_name = "DIR|VERSION")]
        framework: Option<String>,
    },
    /// Writes a module of an application, and adds it to `app()`.
    Module {
        /// Its name, in kebab-case.
        name: String,
        /// The modules of the same application that it cannot do without.
        #[arg(long, value_delimiter = ',', value_name = "MODULES")]
        needs: Vec<String>,
        /// The application's directory.
        #[arg(long, value_name = "DIR", default_value = ".")]
        app: PathBuf,
    },
}

/// Writes the files, and names each.
///
/// # Errors
///
/// Returns an error if a name is not one, or a file is there already; then nothing is written.
pub(crate) fn run(workspace: &Workspace, args: &NewArgs) -> Outcome {
    match &args.what {
        What::App { name, path, framework } => {
            let dir = app(workspace, name, path.as_deref(), framework.as_deref())?;
            print::note(&format!("cd {} && cargo test && cargo run", dir.display()));
        }
        What::Module { name, needs, app } => module(name, needs, app)?,
    }
    Ok(())
}

/// A path as it is shown: from the current directory if it is below it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
