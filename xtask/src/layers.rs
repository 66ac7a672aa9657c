//! `cargo xtask layers`: who names whom, compared with the table in ARCHITECTURE.md.

mod finding;
mod graph;
mod table;
#[cfg(test)]
mod tests;

use std::{fs, io, path::PathBuf};

use cargo_metadata::Metadata;

use self::{
    finding::findings,
    graph::Graph,
    table::{Table, TableError},
};
use crate::{
    print,
    workspace::{Workspace, WorkspaceError},
};

/// The crates do not name each other as the table says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayersError {
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the table of layers in ARCHITECTURE.md cannot be read")]
    Table { source: TableError },
    #[error("{count} differences between the crates and the table of layers")]
    Different { count: usize },
}

/// Compares, and prints every difference with its cure.
///
/// # Errors
///
/// Returns an error if there is a difference, or either side cannot be read.
pub(crate) fn run(workspace: &Workspace) -> Result<(), LayersError> {
    let graph = Graph::of(&workspace.metadata()?);
    let path = workspace.root().join("ARCHITECTURE.md");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(LayersError::Read { path, source }),
    };
    let table = Table::parse(&text).map_err(|source| LayersError::Table { source })?;

    let found = findings(&graph, &table);
    for finding in &found {
        print::bad(&finding.to_string());
        print::note(&format!("cure: {}", finding.cure()));
    }
    if !found.is_empty() {
        return Err(LayersError::Different { count: found.len() });
    }
    print::good(&format!("{} crates, {} arrows, all allowed", graph.len(), graph.arrows()));
    Ok(())
}

/// The names of the layers and of the facade: the crates that applications are built from.
pub(crate) fn framework_crates(metadata: &Metadata) -> Vec<String> {
    let mut names: Vec<_> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| {
            let home = package.manifest_path.parent().and_then(|dir| dir.parent());
            home == Some(&metadata.workspace_root.join("crates"))
        })
        .map(|package| package.name.to_string())
        .collect();
    names.sort();
    names
}
