//! Why nothing was written.

use std::{io, path::PathBuf};

use super::name::NameError;

/// A scaffold was refused, or could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewError {
    #[error("`{name}` cannot be a name here")]
    Name { name: String, source: NameError },
    #[error("`{}` exists already, and nothing is overwritten", path.display())]
    Exists { path: PathBuf },
    #[error(
        "`{}` has a character that a manifest would have to escape: choose another directory",
        path.display()
    )]
    Path { path: PathBuf },
    #[error("`{framework}` is neither a directory of the framework nor a version such as `0.1`")]
    Framework { framework: String },
    #[error(
        "`{}` is inside the workspace, but cargo would not see it as a member: \
         use a directory in `examples`, or one outside",
        path.display()
    )]
    InsideWorkspace { path: PathBuf },
    #[error(
        "`{}` does not have the line `{marker}` exactly once: put it where the new line \
         belongs, or add the module by hand",
        path.display()
    )]
    Marker { path: PathBuf, marker: &'static str },
    #[error("`{}` declares the module `{module}` already", path.display())]
    Declared { path: PathBuf, module: String },
    #[error("the application has no module `{need}`; it has {known}")]
    UnknownNeed { need: String, known: String },
    #[error("the template `{template}` cannot be filled in")]
    Template { template: &'static str, source: Box<minijinja::Error> },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}
