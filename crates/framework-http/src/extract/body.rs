use std::error::Error;

use axum::extract::{FromRequest as _, Request, rejection::BytesRejection};
use bytes::Bytes;

use crate::{Problem, stack::BodyTooLarge};

/// Reads a whole body.
pub(super) async fn read(request: Request) -> Result<Bytes, Problem> {
    Bytes::from_request(request, &()).await.map_err(|rejection| match limit_in(&rejection) {
        Some(limit) => limit.problem(),
        None if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::too_large().detail("the body is larger than this route allows")
        }
        None => Problem::bad_request().detail("the body ended early").cause(rejection),
    })
}

/// The limit of the stack, if exceeding it is why reading failed.
fn limit_in(rejection: &BytesRejection) -> Option<BodyTooLarge> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(rejection);
    while let Some(error) = cause {
        if let Some(limit) = error.downcast_ref::<BodyTooLarge>() {
            return Some(*limit);
        }
        cause = error.source();
    }
    None
}
