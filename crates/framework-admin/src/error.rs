use std::net::SocketAddr;

/// The operator's listener cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// It can be reached from other machines, and there is no token.
    #[error(
        "`admin.addr` is {address}, which is not loopback, and `admin.token` is not set: set it, \
         or listen on 127.0.0.1"
    )]
    Open {
        /// What the address in the configuration resolved to.
        address: SocketAddr,
    },
}
