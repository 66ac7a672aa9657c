use std::{io, path::PathBuf};

use framework::{
    axum::{
        http::{HeaderValue, header},
        response::{IntoResponse, Response},
    },
    http::openapi::{ApiOperation, ApiOutput},
    prelude::*,
};

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is not that of a `SQLite` file.
    #[error("`{url}` cannot be used: {reason}")]
    Url {
        /// The URL, without a password.
        url: String,
        /// What is wrong with it, and what to write.
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

impl StoreError {
    /// Says what was tried when a statement failed: `.map_err(StoreError::doing("add a product"))`.
    pub fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| match &error {
            sqlx::Error::PoolTimedOut => Self::Busy { doing },
            // SQLITE_BUSY, with what else the low byte leaves room for: another process writes.
            sqlx::Error::Database(database) if primary_code(database.as_ref()) == Some(5) => {
                Self::Busy { doing }
            }
            _ => Self::Failed { doing, source: error.into() },
        }
    }

    /// Something in the database that should not be there.
    pub fn corrupt(doing: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Failed { doing, source: source.into() }
    }
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

impl IntoResponse for StoreError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl ApiOutput for StoreError {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.problem(StatusCode::SERVICE_UNAVAILABLE, "there is too much to do at once");
    }
}

fn primary_code(error: &dyn sqlx::error::DatabaseError) -> Option<u32> {
    error.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}
