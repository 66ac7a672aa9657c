use std::{fmt, sync::Arc};

/// Where a value of the configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The section's own default: nothing sets the value.
    #[default]
    Default,
    /// A file.
    File {
        /// The file's path, as it was given.
        path: Arc<str>,
        /// The line, counted from 1.
        line: usize,
        /// The column in characters, counted from 1.
        column: usize,
    },
    /// An environment variable, by its name.
    Variable(Arc<str>),
    /// A `--set` on the command line.
    Argument,
}

/// Variables that other programs set too: a key that only they name is not a mistake.
const CONVENTIONAL: [&str; 2] = ["PORT", "RUST_LOG"];

impl Origin {
    /// Whether this is a variable that every program on the machine sees.
    pub(crate) fn is_conventional(&self) -> bool {
        matches!(self, Self::Variable(name) if CONVENTIONAL.contains(&&**name))
    }
}

/// Shows the origin as a person finds it: `config/app.toml:4:1`, `env SHOP_HTTP__ADDR`, `--set`,
/// `default`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Variable(name) => write!(f, "env {name}"),
            Self::Argument => f.write_str("--set"),
        }
    }
}
