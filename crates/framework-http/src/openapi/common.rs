use std::borrow::Cow;

use framework_core::{Contribution, Order, Unclaimed};
use http::StatusCode;

/// A problem document that any operation may answer with, whatever its handler does: what a
/// middleware refuses, for instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonProblem {
    pub(super) status: StatusCode,
    pub(super) when: Cow<'static, str>,
    pub(super) with_body: bool,
}

impl CommonProblem {
    /// A problem of any operation, and when there is one.
    pub fn new(status: StatusCode, when: impl Into<Cow<'static, str>>) -> Self {
        Self { status, when: when.into(), with_body: false }
    }

    /// Only operations that take a body have it.
    #[must_use]
    pub fn with_body(self) -> Self {
        Self { with_body: true, ..self }
    }

    /// What the stack around every route may answer.
    pub(super) fn of_stack() -> [Self; 4] {
        [
            Self::new(StatusCode::REQUEST_TIMEOUT, "the body came in too slowly").with_body(),
            Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large").with_body(),
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side"),
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "the time for the answer is over"),
        ]
    }
}

impl Contribution for CommonProblem {
    const KIND: &'static str = "problems of all operations";
    const ORDER: Order = Order::Independent;
    // Without a document there is nobody to tell, and the middleware works just as well.
    const UNCLAIMED: Unclaimed = Unclaimed::Ignore;
}
