//! What connects a request with the server that it came to: one entry among its extensions, for
//! everything that extractors may ask for.

use std::{sync::Arc, time::Duration};

use http::Extensions;
use tokio::time::Instant;

use crate::{RequestId, ShutdownSignal, server::ConnectionState};

/// Put into a request by the server, and by the stack where there is no server.
#[derive(Clone, Debug)]
pub(crate) struct RequestLink {
    connection: Option<Arc<ConnectionState>>,
    started: Instant,
    timeout: Option<Duration>,
    id: Option<RequestId>,
}

impl RequestLink {
    /// What a request of the connection begins with, whose first byte came at `started`.
    pub(crate) fn new(connection: &Arc<ConnectionState>, started: Instant) -> Self {
        Self { connection: Some(Arc::clone(connection)), started, timeout: None, id: None }
    }

    /// Notes what the request is known by, and how long it may take from its first byte. Returns
    /// when that was.
    pub(crate) fn note(extensions: &mut Extensions, id: RequestId, timeout: Duration) -> Instant {
        if let Some(link) = extensions.get_mut::<Self>() {
            (link.timeout, link.id) = (Some(timeout), Some(id));
            return link.started;
        }
        let started = Instant::now();
        extensions.insert(Self { connection: None, started, timeout: Some(timeout), id: Some(id) });
        started
    }

    /// What the request is known by; `None` if there is no stack around it.
    pub(crate) fn id(&self) -> Option<&RequestId> {
        self.id.as_ref()
    }

    /// When the request's time is over; `None` if nobody limits it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| self.started.checked_add(timeout))
    }

    pub(crate) fn shutdown(&self) -> Option<ShutdownSignal> {
        self.connection.as_ref().map(|connection| ShutdownSignal::of(connection.traffic()))
    }
}
