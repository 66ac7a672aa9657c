//! Web sockets: the handshake, an echo, and with which code they are closed.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::BoxError;

/// An open socket.
#[derive(Debug)]
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens one, and has one message echoed.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no socket, or no echo.
    pub(crate) async fn open(address: SocketAddr, path: &str) -> Result<Self, BoxError> {
        let stream = TcpStream::connect(address).await?;
        let (mut socket, _) = client_async(format!("ws://torture{path}"), stream).await?;
        socket.send(Message::text("ping")).await?;
        match socket.next().await {
            Some(Ok(message)) if message == Message::text("ping") => Ok(Self(socket)),
            other => Err(format!("not an echo: {other:?}").into()),
        }
    }

    /// Waits for the end, and says with which code it came; `None` if without one.
    pub(crate) async fn closed(mut self) -> Option<u16> {
        let mut code = None;
        while let Some(Ok(message)) = self.0.next().await {
            if let Message::Close(Some(frame)) = message {
                code = Some(u16::from(frame.code));
            }
        }
        code
    }
}
