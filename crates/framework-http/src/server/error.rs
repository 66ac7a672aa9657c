use std::io;

/// A server cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another process, or another part of this one, listens there.
    #[error("the address `{address}` is in use")]
    AddrInUse {
        /// The address as it was asked for.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The address is not one of this machine, is not allowed, or does not resolve.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address as it was asked for.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A socket that was handed over cannot be used.
    #[error("cannot use the listening socket that was handed over")]
    Adopt {
        /// What the operating system said.
        source: io::Error,
    },
}

impl BindError {
    pub(crate) fn new(address: &str, source: io::Error) -> Self {
        let address = address.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddrInUse { address, source },
            _ => Self::Listen { address, source },
        }
    }

    /// Whether the address is taken, for which processes have an exit code of its own.
    #[must_use]
    pub fn is_addr_in_use(&self) -> bool {
        matches!(self, Self::AddrInUse { .. })
    }
}
