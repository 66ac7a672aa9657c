//! A stream of server-sent events, and whether it ends between two of them.

use crate::{
    BoxError,
    client::{Connection, Dial, answer::find, request},
};

/// How a stream of events ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// With the last chunk, after a whole event.
    BetweenEvents,
    /// In the middle of an event, or without the last chunk.
    Torn,
}

/// Opens a stream of events, and waits for the first.
///
/// # Errors
///
/// Returns an error if there is no such stream.
pub(crate) async fn open(dial: &Dial, path: &str) -> Result<Connection, BoxError> {
    let mut connection = dial.connect().await.map_err(|outcome| format!("{outcome:?}"))?;
    connection.send(&request("GET", path, "keep-alive", b"")).await?;
    while find(connection.received(), b"data:").is_none() {
        connection.more().await?;
    }
    Ok(connection)
}

/// Reads the stream to its end.
pub(crate) async fn end(connection: &mut Connection) -> StreamEnd {
    while connection.more().await.is_ok() {
        if connection.received().ends_with(b"0\r\n\r\n") {
            break;
        }
    }
    let whole = connection.received().ends_with(b"\n\n\r\n0\r\n\r\n");
    if whole { StreamEnd::BetweenEvents } else { StreamEnd::Torn }
}
