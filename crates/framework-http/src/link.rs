//! What connects a request with the server that it came to: one entry among its extensions, for
//! everything that extractors may ask for.

use std::{sync::Arc, time::Duration};

use http::Extensions;
use tokio::time::Instant;

use crate::{ShutdownSignal, server::ConnectionState};

/// Put into a request by the server, and by the stack where there is no server.
#[derive(Clone, Debug)]
pub(crate) struct RequestLink {
    connection: Option<Arc<ConnectionState>>,
    started: Instant,
    timeout: Option<Duration>,
}

impl RequestLink {
    pub(crate) fn new(connection: &Arc<ConnectionState>, started: Instant) -> Self {
        Self { connection: Some(Arc::clone(connection)), started, timeout: None }
    }

    /// Notes how long the request may take, from its first byte.
    pub(crate) fn limit(extensions: &mut Extensions, timeout: Duration) {
        match extensions.get_mut::<Self>() {
            Some(link) => link.timeout = Some(timeout),
            None => {
                let started = Instant::now();
                extensions.insert(Self { connection: None, started, timeout: Some(timeout) });
            }
        }
    }

    /// When the request's time is over; `None` if nobody limits it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| self.started.checked_add(timeout))
    }

    pub(crate) fn shutdown(&self) -> Option<ShutdownSignal> {
        self.connection.as_ref().map(|connection| ShutdownSignal::of(connection.traffic()))
    }
}
