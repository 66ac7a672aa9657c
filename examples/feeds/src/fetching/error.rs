use std::{io, time::Duration};

use framework::{
    axum::http::{HeaderValue, header},
    http::FieldError,
    prelude::*,
};

use crate::infra::ExchangeError;

/// The address of a feed cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidUrl {
    pub(super) reason: String,
}

/// Why a document was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The host has no address that may be connected to.
    #[error(
        "`{host}` is not on the public Internet; the operator can allow it with \
         `feeds.allow_addresses`"
    )]
    Private {
        /// The host.
        host: String,
    },
    /// The host's addresses cannot be found out.
    #[error("`{host}` has no address")]
    Unresolved {
        /// The host.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// No connection came about.
    #[error("`{host}` cannot be reached")]
    Unreachable {
        /// The host.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// The answer broke off, or was none.
    #[error("`{host}` did not answer as a web server does")]
    Broken {
        /// The host.
        host: String,
        /// Why not.
        source: BoxError,
    },
    /// The document is too large, as it was sent or unpacked.
    #[error("the document is larger than {max_bytes} bytes (`feeds.max_document`)")]
    TooLarge {
        /// The limit, in bytes.
        max_bytes: usize,
    },
    /// The document came packed in a way that nobody asked for, or cannot be unpacked.
    #[error("the document cannot be unpacked: its encoding is `{encoding}`")]
    Packed {
        /// What the server called it.
        encoding: String,
    },
    /// It took too long.
    #[error("`{host}` did not answer within {limit:?} (`feeds.fetch_timeout`)")]
    TooSlow {
        /// The host.
        host: String,
        /// The limit.
        limit: Duration,
    },
    /// The server answered with something else than the document.
    #[error("`{host}` answered with status {status}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: StatusCode,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// A redirect leads somewhere it should not.
    #[error("`{host}` redirects to an address that cannot be used: {reason}")]
    Redirect {
        /// The host.
        host: String,
        /// What is wrong with the address.
        reason: String,
    },
    /// There were too many redirects in a row.
    #[error("there were more than {limit} redirects in a row (`feeds.redirects`)")]
    TooManyRedirects {
        /// The limit.
        limit: u32,
    },
    /// The host is left alone for a while.
    #[error("`{host}` is left alone for another {} s, because it failed before", left.as_secs() + 1)]
    Paused {
        /// The host.
        host: String,
        /// For how long.
        left: Duration,
    },
    /// Too many others are fetched at the same time.
    #[error("too many feeds are fetched at the same time (`feeds.max_concurrent_feeds`)")]
    Busy,
}

impl FetchError {
    pub(super) fn exchange(host: &str, error: ExchangeError) -> Self {
        match error {
            ExchangeError::TooLarge { max_bytes } => Self::TooLarge { max_bytes },
            ExchangeError::Broken(source) => Self::Broken { host: host.to_owned(), source },
        }
    }

    /// How long nobody should try again, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Paused { left, .. } => Some(*left),
            _ => None,
        }
    }

    /// Whether it is the host that is in trouble, and not the document.
    pub(super) fn is_trouble(&self) -> bool {
        match self {
            Self::Unresolved { .. }
            | Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::TooSlow { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            _ => false,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Private { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. }
            | Self::TooManyRedirects { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooSlow { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Paused { .. } | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

/// The client is told what the other side did; how exactly it failed is for the log.
impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        let status = error.status();
        let mut problem = Self::new(status).detail(error.to_string());
        if status == StatusCode::UNPROCESSABLE_ENTITY {
            problem = problem.error(&FieldError::at("/url", "cannot be fetched"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = error.retry_after().map_or(1, |left| left.as_secs() + 1);
            problem = problem.header(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        problem.cause(error)
    }
}
