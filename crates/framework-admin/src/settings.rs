use framework_config::{Faults, Secret, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The operator's listener: section `admin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// The address to listen on, as `host:port`. Port 0 picks a free one.
    pub addr: String,
    /// What requests carry as `Authorization: Bearer …`. Empty: nothing, which is possible on
    /// loopback only.
    pub token: Secret<String>,
    /// Whether to listen at all.
    pub enabled: bool,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { addr: "127.0.0.1:9090".to_owned(), token: Secret::default(), enabled: true }
    }
}

impl Settings for AdminSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.host().is_none() {
            faults.add("addr", "must be an address and a port, like \"127.0.0.1:9090\"");
        }
    }

    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }
}

impl AdminSettings {
    /// The host in the address, without brackets; `None` if the address is none.
    pub(crate) fn host(&self) -> Option<&str> {
        let (host, port) = self.addr.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then_some(host)
    }

    /// Whether the listener is known to be open to everyone: on another address than loopback,
    /// and without a token. What a name resolves to is seen only when it is bound.
    pub(crate) fn is_open(&self) -> bool {
        let elsewhere = |host: &str| {
            host.parse::<std::net::IpAddr>().is_ok_and(|address| !address.is_loopback())
        };
        self.enabled && self.token.expose().is_empty() && self.host().is_some_and(elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(addr: &str) -> AdminSettings {
        AdminSettings { addr: addr.to_owned(), ..AdminSettings::default() }
    }

    #[test]
    fn only_loopback_is_closed_without_a_token() {
        for addr in ["127.0.0.1:9090", "127.1.2.3:0", "[::1]:9090", "localhost:9090"] {
            assert!(!at(addr).is_open(), "{addr}");
        }
        for addr in ["0.0.0.0:9090", "[::]:9090", "10.0.0.7:9090"] {
            assert!(at(addr).is_open(), "{addr}");
            let token = Secret::new("s3cret".to_owned());
            assert!(!AdminSettings { token, ..at(addr) }.is_open(), "{addr}");
            assert!(!AdminSettings { enabled: false, ..at(addr) }.is_open(), "{addr}");
        }
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for addr in ["9090", ":9090", "localhost", "localhost:http", "localhost:99999"] {
            let mut faults = Faults::new();
            at(addr).validate(&mut faults);
            assert_eq!(faults.len(), 1, "{addr}");
        }
    }
}
