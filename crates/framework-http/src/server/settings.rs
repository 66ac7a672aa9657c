use std::time::Duration;

/// How a [`Server`](super::Server) treats its connections.
///
/// # Examples
///
/// ```
/// use framework_http::ServerSettings;
/// use std::time::Duration;
///
/// let settings = ServerSettings::default().keep_alive(Duration::from_secs(60));
/// assert_eq!(settings, ServerSettings { keep_alive: Duration::from_secs(60), ..settings });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// How long a client may take to send the head of a request, from its first byte, or from
    /// connecting for the first one. Defaults to 10 s.
    pub header_read_timeout: Duration,
    /// How long a connection may stay unused between two requests. Defaults to 5 s.
    pub keep_alive: Duration,
    /// How long a client may take no byte of a response that waits for it. Defaults to 30 s.
    pub write_stall_timeout: Duration,
    /// How many connections may be open; those beyond wait to be accepted. Lowered to what the
    /// limit on open files leaves room for. Defaults to 10 000.
    pub max_connections: usize,
    /// How long a connection that has just been used is kept while the server drains, so that the
    /// request which its client is about to send still finds it. A connection that has been
    /// unused for longer is closed at once. Defaults to 1 s.
    pub drain_linger: Duration,
    /// Whether other processes accept from the same listener; the connections that wait there are
    /// then left to them. Defaults to `false`.
    pub shared_listener: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(5),
            write_stall_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            drain_linger: Duration::from_secs(1),
            shared_listener: false,
        }
    }
}

impl ServerSettings {
    /// Sets how long a connection may stay unused between two requests. Defaults to 5 s.
    #[must_use]
    pub fn keep_alive(mut self, limit: Duration) -> Self {
        self.keep_alive = limit;
        self
    }

    /// Sets how long a client may take to send the head of a request. Defaults to 10 s.
    #[must_use]
    pub fn header_read_timeout(mut self, limit: Duration) -> Self {
        self.header_read_timeout = limit;
        self
    }

    /// Sets how many connections may be open. Defaults to 10 000.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit;
        self
    }

    /// Sets how long a connection that has just been used is kept while draining. Defaults to 1 s.
    #[must_use]
    pub fn drain_linger(mut self, limit: Duration) -> Self {
        self.drain_linger = limit;
        self
    }
}
