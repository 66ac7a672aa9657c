use std::{io, path::PathBuf};

use framework::{
    axum::http::{HeaderValue, header},
    prelude::*,
};

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is not that of a `SQLite` file.
    #[error("`database.url` {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The folder of the file is missing and cannot be made.
    #[error("cannot make the folder `{}`", folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file cannot be opened.
    #[error("cannot open the database `{}`", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: BoxError,
    },
    /// The tables cannot be brought up to date.
    #[error("cannot bring the tables in `{}` up to date", path.display())]
    Migrate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: BoxError,
    },
    /// The tables are not up to date, and `database.migrate` is off.
    #[error(
        "the tables in `{}` are not those of this program; start once with `database.migrate` on",
        path.display()
    )]
    Pending {
        /// Which file.
        path: PathBuf,
    },
}

/// Why something could not be read from or written to the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Too many others wanted the same at the same time.
    #[error("the database is too busy to {doing}")]
    Busy {
        /// What was tried.
        doing: &'static str,
    },
    /// It did not work.
    #[error("the database could not {doing}")]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: BoxError,
    },
}

/// The code of `SQLite` for a file that another connection writes to.
const BUSY: u32 = 5;

impl StoreError {
    /// Says what was tried when a statement failed: `.map_err(StoreError::doing("add a feed"))`.
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| {
            let busy = matches!(error, sqlx::Error::PoolTimedOut) || is_busy(&error);
            if busy { Self::Busy { doing } } else { Self::Failed { doing, source: error.into() } }
        }
    }

    /// Something in the database that should not be there, or does not go in.
    pub(crate) fn text(doing: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |error| Self::Failed { doing, source: error.into() }
    }
}

/// Whether another process writes.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    // What else there is to say about it is in the higher bytes.
    code.is_some_and(|code| code & 0xff == BUSY)
}

/// The client is told when to come again; everything else is for the log.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy { .. } => Self::unavailable()
                .detail("there is more to do than can be done at once; try again in a moment")
                .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
                .cause(error),
            StoreError::Failed { .. } => Self::internal(error),
        }
    }
}
