use std::time::Duration;

use framework_config::{ByteSize, Faults, Settings, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ServerSettings, Stack};

/// The HTTP server of the application: section `http`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// The address to listen on, as `host:port`. Port 0 picks a free one.
    pub addr: String,
    /// Further addresses: as `host:port`, or as `unix:` and the path of a Unix socket.
    pub also: Vec<String>,
    /// Whether TCP connections begin with a header of the PROXY protocol. Only where nobody but the
    /// proxy can connect: anybody else could claim any address.
    pub proxy_protocol: bool,
    /// The certificate and its key, for a server that speaks TLS itself. Both files are read again
    /// when they change.
    #[cfg(feature = "tls")]
    pub tls: Option<crate::TlsSettings>,
    /// How long a client may take to send the head of a request.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub header_read_timeout: Duration,
    /// How long a handler may take until its response begins; then the client gets a 503.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub request_timeout: Duration,
    /// How long a connection may stay unused between two requests.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub keep_alive: Duration,
    /// How many connections may be open; those beyond wait to be accepted.
    pub max_connections: usize,
    /// How large the body of a request may be.
    pub body_limit: ByteSize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        let server = ServerSettings::default();
        Self {
            addr: "127.0.0.1:8080".to_owned(),
            also: Vec::new(),
            proxy_protocol: false,
            #[cfg(feature = "tls")]
            tls: None,
            header_read_timeout: server.header_read_timeout,
            request_timeout: Duration::from_secs(30),
            keep_alive: server.keep_alive,
            max_connections: server.max_connections,
            body_limit: ByteSize::mib(2),
        }
    }
}

impl Settings for HttpSettings {
    // The server is built from them once; certificates alone are looked at again.
    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }

    fn validate(&self, faults: &mut Faults) {
        if !is_host_and_port(&self.addr) {
            faults.add("addr", "must be an address and a port, like \"127.0.0.1:8080\"");
        }
        for (at, address) in self.also.iter().enumerate() {
            let path = address.strip_prefix("unix:");
            if path.is_none_or(str::is_empty) && !is_host_and_port(address) {
                let form = "must be an address and a port, or like \"unix:/run/app.sock\"";
                faults.add(&format!("also.{at}"), form);
            }
        }
        for (key, limit) in [
            ("header_read_timeout", self.header_read_timeout),
            ("request_timeout", self.request_timeout),
            ("keep_alive", self.keep_alive),
        ] {
            if limit.is_zero() {
                faults.add(key, "must be longer than 0s");
            }
        }
        if self.max_connections == 0 {
            faults.add("max_connections", "must be at least 1");
        }
    }
}

fn is_host_and_port(address: &str) -> bool {
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    port.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

impl HttpSettings {
    /// The part of the settings that the server goes by.
    #[must_use]
    pub fn server(&self) -> ServerSettings {
        ServerSettings::default()
            .header_read_timeout(self.header_read_timeout)
            .keep_alive(self.keep_alive)
            .drain_linger(self.keep_alive)
            .max_connections(self.max_connections)
            .proxy_protocol(self.proxy_protocol)
    }

    /// The part of the settings that the stack around the routes goes by.
    #[must_use]
    pub fn stack(&self) -> Stack {
        Stack::new().request_timeout(self.request_timeout).body_limit(self.body_limit.bytes())
    }
}
