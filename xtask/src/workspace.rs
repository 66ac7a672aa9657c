//! Where the workspace is, and what cargo knows about it.

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

/// The workspace that this tool belongs to.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// Cargo could not describe the workspace.
#[derive(Debug, thiserror::Error)]
#[error("cargo cannot describe the workspace at `{}`", root.display())]
pub(crate) struct WorkspaceError {
    root: PathBuf,
    source: Box<cargo_metadata::Error>,
}

impl Workspace {
    /// The workspace this tool was built from, wherever it is called.
    pub(crate) fn here() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().expect("this crate is a directory inside the workspace");
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything: the members, what they depend on, and where cargo puts what it builds.
    ///
    /// # Errors
    ///
    /// Returns an error if a manifest cannot be read or a dependency cannot be resolved.
    pub(crate) fn metadata(&self) -> Result<Metadata, WorkspaceError> {
        self.ask(false)
    }

    /// The directory that cargo builds into.
    ///
    /// # Errors
    ///
    /// Returns an error if a manifest cannot be read.
    pub(crate) fn target(&self) -> Result<PathBuf, WorkspaceError> {
        Ok(self.ask(true)?.target_directory.into_std_path_buf())
    }

    fn ask(&self, members_only: bool) -> Result<Metadata, WorkspaceError> {
        let mut command = MetadataCommand::new();
        command.manifest_path(self.root.join("Cargo.toml"));
        if members_only {
            command.no_deps();
        }
        command
            .exec()
            .map_err(|source| WorkspaceError { root: self.root.clone(), source: Box::new(source) })
    }
}
