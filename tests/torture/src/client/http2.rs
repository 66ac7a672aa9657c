//! A client of HTTP/2 that knows which of its streams the server has promised to answer.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::Request;
use tokio::{net::TcpStream, task::JoinSet};

use crate::BoxError;

/// A connection of HTTP/2. It is driven by a task of its own, which ends with it.
pub(crate) struct Multiplexed {
    sender: SendRequest<Bytes>,
    driver: JoinSet<Result<(), h2::Error>>,
}

/// What became of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamOutcome {
    /// Answered whole.
    Ok,
    /// Refused before it was looked at: the client may send it again elsewhere.
    Refused,
    /// Above the last stream of a GOAWAY, so known not to have been looked at.
    NotTaken,
    /// Neither answered nor refused.
    Lost,
    /// Answered with something else than was asked for.
    WrongBody,
}

impl Multiplexed {
    /// Connects, and shakes hands.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such server.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, BoxError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = client::handshake(stream).await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { sender, driver })
    }

    /// Opens a stream; its outcome is awaited apart.
    ///
    /// # Errors
    ///
    /// Returns what became of it if it could not be opened.
    pub(crate) async fn open(
        &mut self,
        path: &str,
        expected: &str,
    ) -> Result<impl Future<Output = StreamOutcome> + Send + use<>, StreamOutcome> {
        let mut sender = self.sender.clone().ready().await.map_err(|error| outcome(&error))?;
        let request = Request::get(format!("http://torture{path}")).body(());
        let request = request.map_err(|_| StreamOutcome::Lost)?;
        let (response, _) = sender.send_request(request, true).map_err(|error| outcome(&error))?;
        let expected: Arc<str> = Arc::from(expected);
        Ok(async move {
            let mut body = match response.await {
                Ok(response) if response.status() == 200 => response.into_body(),
                Ok(_) => return StreamOutcome::WrongBody,
                Err(error) => return outcome(&error),
            };
            let mut received = Vec::new();
            while let Some(part) = body.data().await {
                match part {
                    Ok(part) => {
                        received.extend_from_slice(&part);
                        // It is only a window: an error shows with the next part.
                        let _ = body.flow_control().release_capacity(part.len());
                    }
                    Err(_) => return StreamOutcome::Lost,
                }
            }
            if received == expected.as_bytes() {
                StreamOutcome::Ok
            } else {
                StreamOutcome::WrongBody
            }
        })
    }

    /// Waits until the server has closed the connection, and says whether it did so in order.
    pub(crate) async fn closed(self) -> bool {
        let Self { sender, mut driver } = self;
        drop(sender);
        matches!(driver.join_next().await, Some(Ok(Ok(()))))
    }
}

fn outcome(error: &h2::Error) -> StreamOutcome {
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => StreamOutcome::Refused,
        // A stream above the last one that the goodbye names ends with the goodbye's reason, which
        // is none: the server tells that it has not looked at it.
        Some(h2::Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => {
            StreamOutcome::NotTaken
        }
        _ => StreamOutcome::Lost,
    }
}
