use std::{fmt, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{Answer, tls::Roots};
use crate::history::Outcome;

/// How long a request may take before it is told as lost.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How to get to a server.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) address: SocketAddr,
    /// With what to check its certificate, where it speaks TLS.
    pub(crate) roots: Option<Roots>,
}

/// A connection that speaks HTTP/1.1.
pub(crate) struct Connection {
    io: Box<dyn Io>,
    received: Vec<u8>,
    /// How many responses have come over it.
    pub(crate) answered: usize,
}

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

// ===== impl Dial =====

impl Dial {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, roots: None }
    }

    /// Connects, with TLS if there are roots.
    ///
    /// # Errors
    ///
    /// Returns how it went wrong, as the history knows it.
    pub(crate) async fn connect(&self) -> Result<Connection, Outcome> {
        let connecting = async {
            let stream = TcpStream::connect(self.address).await.map_err(|e| failed(&e))?;
            stream.set_nodelay(true).map_err(|e| failed(&e))?;
            let io: Box<dyn Io> = match &self.roots {
                None => Box::new(stream),
                Some(roots) => Box::new(roots.shake(stream).await.map_err(|e| failed(&e))?),
            };
            Ok(Connection { io, received: Vec::new(), answered: 0 })
        };
        timeout(PATIENCE, connecting).await.unwrap_or(Err(Outcome::TimedOut))
    }

    /// Asks once over a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Outcome> {
        self.connect().await?.request(&request("GET", path, "close", b"")).await
    }

    /// Sends something once over a connection of its own.
    pub(crate) async fn post(&self, path: &str) -> Result<Answer, Outcome> {
        self.connect().await?.request(&request("POST", path, "close", b"")).await
    }
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, connection: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: {connection}\r\n\
         content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

pub(super) fn failed(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Outcome::Refused,
        io::ErrorKind::UnexpectedEof => Outcome::EofBeforeResponse,
        _ => Outcome::Reset,
    }
}

// ===== impl Connection =====

impl Connection {
    /// Sends bytes as they are. What the server has closed shows when its answer is read.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Sends a request and waits for the whole response.
    ///
    /// # Errors
    ///
    /// Returns how it went wrong, as the history knows it.
    pub(crate) async fn request(&mut self, request: &[u8]) -> Result<Answer, Outcome> {
        let sent = self.send(request).await;
        let answer = self.answer().await;
        match (answer, sent) {
            // An answer may come to what was not wanted whole.
            (Err(Outcome::EofBeforeResponse), Err(error)) => Err(failed(&error)),
            (answer, _) => answer,
        }
    }

    /// Waits for the next response.
    ///
    /// # Errors
    ///
    /// Returns how it went wrong, as the history knows it.
    pub(crate) async fn answer(&mut self) -> Result<Answer, Outcome> {
        timeout(PATIENCE, self.read_answer()).await.unwrap_or(Err(Outcome::TimedOut))
    }

    async fn read_answer(&mut self) -> Result<Answer, Outcome> {
        loop {
            if let Some((answer, used)) = Answer::parse(&self.received) {
                self.received.drain(..used);
                self.answered += 1;
                return Ok(answer);
            }
            match self.read().await {
                Ok(0) if self.received.is_empty() => return Err(Outcome::EofBeforeResponse),
                Err(error) if self.received.is_empty() => return Err(failed(&error)),
                Ok(0) | Err(_) => return Err(Outcome::Partial),
                Ok(_) => {}
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let read = self.io.read(&mut chunk).await?;
        self.received.extend_from_slice(&chunk[..read]);
        Ok(read)
    }

    /// Waits until the server closes the connection; what it says before is thrown away.
    ///
    /// # Cancel safety
    ///
    /// What has come in is lost.
    pub(crate) async fn closed(&mut self) {
        while self.read().await.is_ok_and(|read| read > 0) {
            self.received.clear();
        }
    }

    /// Waits until something comes, and says what has come so far.
    ///
    /// # Errors
    ///
    /// Returns an error if the server closes or resets the connection.
    pub(crate) async fn more(&mut self) -> io::Result<&[u8]> {
        if self.read().await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(&self.received)
    }

    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("answered", &self.answered).finish_non_exhaustive()
    }
}
