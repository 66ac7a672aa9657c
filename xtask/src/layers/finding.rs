//! Where the crates and the table differ.

use std::fmt;

use super::{graph::Graph, table::Table};

/// One difference between the crates and the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// A crate names another that it may not name.
    Arrow { from: String, to: String },
    /// A crate names a foreign crate that lives elsewhere.
    Foreign { from: String, to: String, homes: Vec<String> },
    /// A crate has no row.
    Missing { name: String },
    /// A row speaks of a crate that is not in the workspace.
    Stale { name: String },
    /// A row lets a crate name one that is not in the workspace.
    StaleArrow { from: String, to: String },
    /// A row is the home of a foreign crate that nobody depends on any more.
    StaleForeign { home: String, name: String },
}

/// Compares the crates with the table, and returns every difference.
pub(super) fn findings(graph: &Graph, table: &Table) -> Vec<Finding> {
    let mut found = Vec::new();
    for (from, named) in graph.members() {
        let Some(row) = table.row(from) else {
            found.push(Finding::Missing { name: from.to_owned() });
            continue;
        };
        for to in named {
            let homes = table.homes(to);
            if graph.is_member(to) && !row.may_name.allows(to) {
                found.push(Finding::Arrow { from: from.to_owned(), to: to.clone() });
            } else if !homes.is_empty() && !homes.contains(&from) {
                let homes = homes.into_iter().map(str::to_owned).collect();
                found.push(Finding::Foreign { from: from.to_owned(), to: to.clone(), homes });
            }
        }
    }
    found.extend(stale(graph, table));
    found
}

/// A rule about something that does not exist is a rule that cannot fail: often a misspelt name.
fn stale(graph: &Graph, table: &Table) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, row) in table.rows() {
        if !graph.is_member(name) {
            found.push(Finding::Stale { name: name.to_owned() });
        }
        for to in row.may_name.names().filter(|to| !graph.is_member(to)) {
            found.push(Finding::StaleArrow { from: name.to_owned(), to: to.to_owned() });
        }
        for foreign in row.home_of.iter().filter(|name| !graph.is_foreign(name)) {
            let (home, name) = (name.to_owned(), foreign.clone());
            found.push(Finding::StaleForeign { home, name });
        }
    }
    found
}

// ===== impl Finding =====

impl Finding {
    /// What to do about it.
    pub(super) fn cure(&self) -> String {
        match self {
            Self::Arrow { from, to } => format!(
                "move what `{from}` needs of `{to}` into a crate that both may name, \
                 or into `{from}` itself"
            ),
            Self::Foreign { from, homes, .. } => format!(
                "let `{from}` use what `{}` makes of it, and take it out of its Cargo.toml",
                homes.join("` or `")
            ),
            Self::Missing { name } => {
                format!("add a row for `{name}` that says what it may name, and nothing more")
            }
            Self::Stale { name } => format!("remove the row of `{name}`, or mend its name"),
            Self::StaleArrow { from, to } => {
                format!("remove `{to}` from the row of `{from}`, or mend its name")
            }
            Self::StaleForeign { home, name } => {
                format!("remove `{name}` from the row of `{home}`, or mend its name")
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrow { from, to } => write!(f, "`{from}` names `{to}`, which it may not"),
            Self::Foreign { from, to, homes } => {
                write!(f, "`{from}` names `{to}`, which lives only in `{}`", homes.join("`, `"))
            }
            Self::Missing { name } => write!(f, "`{name}` is not in the table"),
            Self::Stale { name } => {
                write!(f, "the table has a row for `{name}`, which is not in the workspace")
            }
            Self::StaleArrow { from, to } => {
                write!(f, "the row of `{from}` allows `{to}`, which is not in the workspace")
            }
            Self::StaleForeign { home, name } => {
                write!(f, "the row of `{home}` is the home of `{name}`, which nobody depends on")
            }
        }
    }
}
