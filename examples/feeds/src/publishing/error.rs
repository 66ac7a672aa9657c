use std::{io, path::PathBuf};

use framework::{
    axum::http::{HeaderValue, header},
    prelude::*,
};

/// Why nothing can be published to where the settings say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The URL is neither a folder nor a bucket.
    #[error(
        "`{url}` cannot be published to: write `file://` and a folder, or `s3://bucket/prefix`"
    )]
    Url {
        /// The URL.
        url: String,
    },
    /// The folder is missing and cannot be made.
    #[error("cannot make the folder `{}`", folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store cannot be used as it is described.
    #[error("cannot publish to `{url}`")]
    Store {
        /// The URL.
        url: String,
        /// Why not.
        source: BoxError,
    },
}

/// Why a feed was not published, or what was published cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// There was no time to write the document.
    #[error("the feed could not be rendered")]
    Render {
        /// Why not.
        source: BoxError,
    },
    /// The store failed.
    #[error("the store could not {doing} `{name}`")]
    Store {
        /// What was tried.
        doing: &'static str,
        /// With which object.
        name: String,
        /// Why not.
        source: BoxError,
    },
}

/// Where files are kept may well work again later; what is wrong with it is for the log.
impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        Self::unavailable()
            .detail("what is published cannot be reached at the moment")
            .header(header::RETRY_AFTER, HeaderValue::from_static("5"))
            .cause(error)
    }
}
