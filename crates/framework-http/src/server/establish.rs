use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{
    connection::Setting,
    proxy::{ProxyError, read_header},
    traffic::Traffic,
    transport::Transport,
};
use crate::drain::DrainStage;

/// A connection did not come as far as its first request.
#[derive(Debug, thiserror::Error)]
pub(super) enum EstablishError {
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[cfg(feature = "tls")]
    #[error("the TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    #[error("the client took too long before its first request")]
    TooSlow,
    #[error("the server stops")]
    Stopping,
}

/// Does what comes before the first request: the proxy's header, the TLS handshake.
pub(super) async fn establish(
    transport: Transport,
    setting: &Setting,
    traffic: &Traffic,
) -> Result<Transport, EstablishError> {
    tokio::select! {
        done = timeout(setting.settings.header_read_timeout, preface(transport, setting)) => {
            done.unwrap_or(Err(EstablishError::TooSlow))
        }
        () = no_longer(traffic, setting.settings.drain_linger) => Err(EstablishError::Stopping),
    }
}

async fn preface(mut transport: Transport, setting: &Setting) -> Result<Transport, EstablishError> {
    if setting.settings.proxy_protocol
        && transport.peer().is_some()
        && let Some(client) = read_header(&mut transport).await?
    {
        transport.set_peer(client);
    }
    setting.secure(transport).await
}

/// While draining, what has not begun is not waited for longer than what is idle.
async fn no_longer(traffic: &Traffic, linger: Duration) {
    traffic.reached(DrainStage::StopAccept).await;
    tokio::select! {
        () = sleep(linger) => {}
        () = traffic.reached(DrainStage::Force) => {}
    }
}

impl Setting {
    /// Whether anything comes before the first request.
    pub(super) fn has_preface(&self, transport: &Transport) -> bool {
        self.is_tls() || (self.settings.proxy_protocol && transport.peer().is_some())
    }

    #[cfg(feature = "tls")]
    fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    fn is_tls(&self) -> bool {
        false
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, transport: Transport) -> Result<Transport, EstablishError> {
        let Some(tls) = &self.tls else { return Ok(transport) };
        let stream = tls.accept(transport).await.map_err(EstablishError::Handshake)?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "it is called as the one that makes handshakes")]
    async fn secure(&self, transport: Transport) -> Result<Transport, EstablishError> {
        Ok(transport)
    }
}
