use std::error::Error;

use axum::extract::{FromRequest as _, Request, rejection::BytesRejection};
use bytes::Bytes;
use http::StatusCode;

use crate::{BodyTooLarge, BodyTooSlow, Problem};

/// Reads a whole body.
pub(crate) async fn read(request: Request) -> Result<Bytes, Problem> {
    Bytes::from_request(request, &()).await.map_err(|rejection| {
        match find::<BodyTooLarge>(&rejection) {
            Some(limit) => limit.problem(),
            None if find::<BodyTooSlow>(&rejection).is_some() => {
                Problem::new(StatusCode::REQUEST_TIMEOUT).detail("the body came in too slowly")
            }
            None if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::too_large().detail("the body is larger than this route allows")
            }
            None => Problem::bad_request().detail("the body ended early").cause(rejection),
        }
    })
}

/// The error of this kind among the causes of a rejection.
fn find<E: Error + Copy + 'static>(rejection: &BytesRejection) -> Option<E> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(rejection);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(*found);
        }
        cause = error.source();
    }
    None
}
