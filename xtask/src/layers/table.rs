//! The table of layers, as it stands in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

const BEGIN: &str = "<!-- layers:begin -->";
const END: &str = "<!-- layers:end -->";

/// Which crate may name which, and which foreign crates live only where.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<String, Row>,
}

/// What one crate may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) may_name: Allowed,
    /// Foreign crates that no crate may name without having them in its row.
    pub(super) home_of: BTreeSet<String>,
}

/// The crates of the workspace that a crate may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Any,
    These(BTreeSet<String>),
}

/// The table is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TableError {
    #[error("there is no `{BEGIN}` with an `{END}` after it")]
    Marks,
    #[error("row `{line}` has {columns} columns instead of 3")]
    Columns { line: String, columns: usize },
    #[error("row `{line}` does not begin with one crate in backticks")]
    Name { line: String },
    #[error("`{name}` has two rows")]
    Twice { name: String },
    #[error("`{cell}` is neither `—`, nor `any`, nor a list of crates in backticks")]
    Cell { cell: String },
}

// ===== impl Table =====

impl Table {
    /// Reads the rows between the marks; the two lines of the heading are left out.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no marks, or a row is not of the form
    /// ``| `crate` | `crate`, … or any or — | `crate`, … or — |``.
    pub(super) fn parse(text: &str) -> Result<Self, TableError> {
        let (_, rest) = text.split_once(BEGIN).ok_or(TableError::Marks)?;
        let (inside, _) = rest.split_once(END).ok_or(TableError::Marks)?;
        let lines = inside.lines().map(str::trim).filter(|line| line.starts_with('|'));

        let mut table = Self::default();
        for line in lines.skip(2) {
            let (name, row) = parse_row(line)?;
            if table.rows.insert(name.clone(), row).is_some() {
                return Err(TableError::Twice { name });
            }
        }
        Ok(table)
    }

    pub(super) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.get(name)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, &Row)> {
        self.rows.iter().map(|(name, row)| (name.as_str(), row))
    }

    /// The crates that a foreign crate is at home in; none if it may be named anywhere.
    pub(super) fn homes(&self, foreign: &str) -> Vec<&str> {
        self.rows().filter(|(_, row)| row.home_of.contains(foreign)).map(|(name, _)| name).collect()
    }
}

impl Allowed {
    pub(super) fn allows(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(names) => names.contains(name),
        }
    }

    /// The crates that are named one by one.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Any => None,
            Self::These(names) => Some(names),
        };
        names.into_iter().flatten().map(String::as_str)
    }
}

fn parse_row(line: &str) -> Result<(String, Row), TableError> {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [name, may_name, home_of] = cells[..] else {
        return Err(TableError::Columns { line: line.to_owned(), columns: cells.len() });
    };
    let name = in_backticks(name).ok_or_else(|| TableError::Name { line: line.to_owned() })?;
    let may_name =
        if may_name == "any" { Allowed::Any } else { Allowed::These(parse_names(may_name)?) };
    Ok((name.to_owned(), Row { may_name, home_of: parse_names(home_of)? }))
}

fn parse_names(cell: &str) -> Result<BTreeSet<String>, TableError> {
    if cell == "—" {
        return Ok(BTreeSet::new());
    }
    let names = cell.split(',').map(|name| in_backticks(name.trim()).map(str::to_owned));
    names.collect::<Option<_>>().ok_or_else(|| TableError::Cell { cell: cell.to_owned() })
}

fn in_backticks(text: &str) -> Option<&str> {
    let name = text.strip_prefix('`')?.strip_suffix('`')?;
    (!name.is_empty() && !name.contains('`')).then_some(name)
}
