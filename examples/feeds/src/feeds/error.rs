use framework::prelude::*;

use crate::{
    fetching::FetchError, infra::StoreError, parsing::ParseError, publishing::PublishError,
};

/// Why a feed was not refreshed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// Its document was not fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its document is no feed.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such feed.
    #[error("there is no feed {id}")]
    Missing {
        /// Its id.
        id: i64,
    },
    /// Somebody else is at it, or has taken over.
    #[error("the feed {id} is being refreshed by somebody else")]
    Taken {
        /// Its id.
        id: i64,
    },
    /// It took longer than the lease lasts.
    #[error("refreshing the feed {id} took too long")]
    TooSlow {
        /// Its id.
        id: i64,
    },
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Fetch(error) => error.into(),
            RefreshError::Parse(error) => error.into(),
            RefreshError::Publish(error) => error.into(),
            RefreshError::Store(error) => error.into(),
            RefreshError::Missing { .. } => Self::not_found().detail(error.to_string()),
            RefreshError::Taken { .. } => Self::conflict().detail(error.to_string()),
            RefreshError::TooSlow { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT).detail(error.to_string())
            }
        }
    }
}
