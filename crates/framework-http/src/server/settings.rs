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
    /// How long a client may take no byte of a response that waits for it. Then its connection is
    /// dropped, or with HTTP/2 the one stream reset that it leaves without room. Defaults to 30 s.
    pub write_stall_timeout: Duration,
    /// How often an HTTP/2 client is asked whether it is still there, and how long it may take to
    /// say so. Defaults to 20 s.
    pub ping_interval: Duration,
    /// How long a client may keep a handler waiting for the body of its request, in addition to
    /// the time that what has come in earns it. Defaults to 5 s.
    pub body_grace: Duration,
    /// How fast a body has to come in after that, counting only the time that is spent waiting for
    /// it. Defaults to 1024 bytes a second.
    pub min_body_bytes_per_second: u64,
    /// How many connections may be open; those beyond wait to be accepted. Lowered to what the
    /// limit on open files leaves room for. Defaults to 10 000.
    pub max_connections: usize,
    /// How long after its last request a connection is kept while the server drains, so that the
    /// request which its client is about to send still finds it. A client may use a connection for
    /// as long as it was promised, so less than `keep_alive` loses requests of clients that think
    /// for a while. A connection that has been unused for longer is closed at once. Defaults to 5 s.
    pub drain_linger: Duration,
    /// Whether other processes accept from the same listener; the connections that wait there are
    /// then left to them. Defaults to `false`.
    pub shared_listener: bool,
    /// Whether each TCP connection begins with a header of the PROXY protocol, version 1 or 2, from
    /// which the client's address is taken. Only for servers that nobody but the proxy can reach:
    /// anybody else could claim any address. Defaults to `false`.
    pub proxy_protocol: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(5),
            write_stall_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(20),
            body_grace: Duration::from_secs(5),
            min_body_bytes_per_second: 1024,
            max_connections: 10_000,
            drain_linger: Duration::from_secs(5),
            shared_listener: false,
            proxy_protocol: false,
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

    /// Sets how long a client may take no byte of a response. Defaults to 30 s.
    #[must_use]
    pub fn write_stall_timeout(mut self, limit: Duration) -> Self {
        self.write_stall_timeout = limit;
        self
    }

    /// Sets how often an HTTP/2 client is asked whether it is still there. Defaults to 20 s.
    #[must_use]
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = interval;
        self
    }

    /// Sets how long a client may keep a handler waiting for a body. Defaults to 5 s.
    #[must_use]
    pub fn body_grace(mut self, limit: Duration) -> Self {
        self.body_grace = limit;
        self
    }

    /// Sets how many connections may be open. Defaults to 10 000.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit;
        self
    }

    /// Sets whether TCP connections begin with a PROXY header. Defaults to `false`.
    #[must_use]
    pub fn proxy_protocol(mut self, expected: bool) -> Self {
        self.proxy_protocol = expected;
        self
    }

    /// Sets how long after its last request a connection is kept while draining. Defaults to 5 s.
    #[must_use]
    pub fn drain_linger(mut self, limit: Duration) -> Self {
        self.drain_linger = limit;
        self
    }
}
