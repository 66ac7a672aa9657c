//! A client of HTTP/2 that knows which of its streams the server has promised to answer.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::Request;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use super::{
    Answer, Dial,
    connection::{PATIENCE, failed},
};
use crate::{BoxError, history::Outcome};

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

    /// As [`connect`](Self::connect), for the history.
    ///
    /// # Errors
    ///
    /// Returns how it went wrong, as the history knows it.
    pub(crate) async fn dial(dial: &Dial) -> Result<Self, Outcome> {
        let connecting = async {
            let stream = TcpStream::connect(dial.address).await.map_err(|e| failed(&e))?;
            stream.set_nodelay(true).map_err(|e| failed(&e))?;
            let shaken = client::handshake(stream).await;
            shaken.map_err(|error| error.get_io().map_or(Outcome::EofBeforeResponse, failed))
        };
        let connected = timeout(PATIENCE, connecting).await.unwrap_or(Err(Outcome::TimedOut));
        let (sender, connection) = connected?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { sender, driver })
    }

    /// Asks for something over a stream of its own; `None`, and nothing is sent, if the connection
    /// takes no more streams.
    pub(crate) async fn get(&mut self, path: &str) -> Option<Result<Answer, Outcome>> {
        let asking = async {
            let mut sender = self.sender.clone().ready().await.ok()?;
            let request = Request::get(format!("http://torture{path}")).body(()).ok()?;
            let (response, _) = sender.send_request(request, true).ok()?;
            Some(read(response).await)
        };
        timeout(PATIENCE, asking).await.unwrap_or(Some(Err(Outcome::TimedOut)))
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

async fn read(response: client::ResponseFuture) -> Result<Answer, Outcome> {
    let response = response.await.map_err(|error| lost(&error, Outcome::EofBeforeResponse))?;
    let status = response.status().as_u16();
    let (mut stream, mut body) = (response.into_body(), Vec::new());
    while let Some(part) = stream.data().await {
        let part = part.map_err(|error| lost(&error, Outcome::Partial))?;
        // It is only a window: an error shows with the next part.
        let _ = stream.flow_control().release_capacity(part.len());
        body.extend_from_slice(&part);
    }
    Ok(Answer { status, closes: false, body })
}

fn lost(error: &h2::Error, otherwise: Outcome) -> Outcome {
    match outcome(error) {
        StreamOutcome::Refused | StreamOutcome::NotTaken => Outcome::NotTaken,
        _ if error.is_io() => error.get_io().map_or(otherwise, failed),
        _ => otherwise,
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
