//! Who names whom, as the manifests say.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata};

/// The members of the workspace, what each names, and which other crates exist.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    members: BTreeMap<String, BTreeSet<String>>,
    foreign: BTreeSet<String>,
}

impl Graph {
    /// Reads the manifests of the members: normal and build dependencies, of every feature and
    /// every platform. Tests may reach across layers, so dev-dependencies are left out.
    pub(super) fn of(metadata: &Metadata) -> Self {
        let mut graph = Self::default();
        let members = metadata.workspace_packages();
        for package in &members {
            let named = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind != DependencyKind::Development)
                .map(|dependency| dependency.name.clone());
            graph.members.insert(package.name.to_string(), named.collect());
        }
        let foreign = metadata.packages.iter().filter(|package| !members.contains(package));
        graph.foreign = foreign.map(|package| package.name.to_string()).collect();
        // What only a feature asks for that is off by default is not among the packages.
        let named: Vec<_> = graph.members.values().flatten().cloned().collect();
        graph.foreign.extend(named.into_iter().filter(|name| !graph.members.contains_key(name)));
        graph
    }

    #[cfg(test)]
    pub(super) fn fake(members: &[(&str, &[&str])], foreign: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            members: members
                .iter()
                .map(|(name, named)| ((*name).to_owned(), owned(named)))
                .collect(),
            foreign: owned(foreign),
        }
    }

    /// Each member with the crates it names.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.members.iter().map(|(name, named)| (name.as_str(), named))
    }

    pub(super) fn is_member(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Whether a crate of this name is in the tree at all, also far below.
    pub(super) fn is_foreign(&self, name: &str) -> bool {
        self.foreign.contains(name)
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many times one member names another.
    pub(super) fn arrows(&self) -> usize {
        self.members.values().flatten().filter(|name| self.is_member(name)).count()
    }
}
