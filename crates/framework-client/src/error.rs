use std::{fmt, time::Duration};

use framework_core::BoxError;
use http::{Method, StatusCode, Uri};

use crate::Answer;

/// What a call is named by: in errors and in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLine {
    /// The name of the client.
    pub client: String,
    /// The method.
    pub method: Method,
    /// The address, without its query: that may hold secrets.
    pub url: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// Why there is no answer to a call, or none that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The call cannot be sent as it was written.
    #[error("{call} cannot be sent")]
    Request {
        /// The call.
        call: Box<CallLine>,
        /// What is wrong with it.
        source: BoxError,
    },
    /// The time of the request that it is made for was over before it was sent.
    #[error("{call} was not sent: the time of the request that it is made for is over")]
    DeadlineExpired {
        /// The call.
        call: Box<CallLine>,
    },
    /// There was no whole answer in time.
    #[error("{call} had no answer within {limit:?}")]
    Timeout {
        /// The call.
        call: Box<CallLine>,
        /// How long it had.
        limit: Duration,
    },
    /// There is no connection.
    #[error("{call} cannot connect")]
    Connect {
        /// The call.
        call: Box<CallLine>,
        /// Why not.
        source: BoxError,
    },
    /// The connection failed before the answer was whole.
    #[error("{call} lost its connection")]
    Transport {
        /// The call.
        call: Box<CallLine>,
        /// What happened.
        source: BoxError,
    },
    /// The answer is larger than the client takes.
    #[error("{call} was answered with more than {limit} bytes")]
    TooLarge {
        /// The call.
        call: Box<CallLine>,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The call was sent from one place to the next.
    #[error("{call} was redirected more than {limit} times")]
    TooManyRedirects {
        /// The call.
        call: Box<CallLine>,
        /// How many are followed.
        limit: u32,
    },
    /// The answer is no success.
    #[error("{call} was answered with {}", answer.status())]
    Status {
        /// The call.
        call: Box<CallLine>,
        /// The answer.
        answer: Box<Answer>,
    },
    /// The answer's body is not what was expected.
    #[error("the answer to {call} cannot be read")]
    Decode {
        /// The call.
        call: Box<CallLine>,
        /// What is wrong with it.
        source: BoxError,
    },
}

/// A client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A setting makes no sense.
    #[error("`{key}` of the client `{client}` {what}")]
    Setting {
        /// The name of the client.
        client: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The certificates that the system trusts cannot be read.
    #[cfg(feature = "tls")]
    #[error("the client `{client}` finds no certificates to trust")]
    Certificates {
        /// The name of the client.
        client: String,
        /// Why not.
        source: BoxError,
    },
}

impl CallError {
    /// What was called.
    #[must_use]
    pub fn call(&self) -> &CallLine {
        match self {
            Self::Request { call, .. }
            | Self::DeadlineExpired { call }
            | Self::Timeout { call, .. }
            | Self::Connect { call, .. }
            | Self::Transport { call, .. }
            | Self::TooLarge { call, .. }
            | Self::TooManyRedirects { call, .. }
            | Self::Status { call, .. }
            | Self::Decode { call, .. } => call,
        }
    }

    /// The status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { answer, .. } => Some(answer.status()),
            _ => None,
        }
    }

    /// Whether the time was over: that of the call, or that of the request it was made for.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::DeadlineExpired { .. })
    }
}

impl CallLine {
    pub(crate) fn new(client: &str, method: Method, url: &str) -> Self {
        Self { client: client.to_owned(), method, url: without_secrets(url), attempts: 0 }
    }

    /// The call went elsewhere.
    pub(crate) fn moved(&mut self, to: &Uri) {
        self.url = without_secrets(&to.to_string());
    }
}

impl fmt::Display for CallLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, method, url, attempts } = self;
        write!(f, "`{client}`: `{method} {url}`")?;
        match attempts {
            0 | 1 => Ok(()),
            more => write!(f, " (tried {more} times)"),
        }
    }
}

/// An address without its query, and without a name and password before its host.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_without_what_may_be_secret() {
        let mut line = CallLine::new("pay", Method::GET, "http://me:pass@host:81/a?token=1#x");
        assert_eq!(line.to_string(), "`pay`: `GET http://host:81/a`");
        line.attempts = 3;
        assert_eq!(line.to_string(), "`pay`: `GET http://host:81/a` (tried 3 times)");
        line.moved(&"http://other/b?c".parse().unwrap());
        assert_eq!(line.url, "http://other/b");
    }
}
