use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

/// Says where the operator's listener is. [`AdminModule`](crate::AdminModule) provides it.
#[derive(Clone, Debug, Default)]
pub struct AdminHandle {
    address: Arc<OnceLock<SocketAddr>>,
}

impl AdminHandle {
    /// The address that operators connect to, once the port is bound; `None` before, and if the
    /// listener is switched off.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.address.get().copied()
    }

    pub(crate) fn set_local_addr(&self, address: SocketAddr) {
        let _ = self.address.set(address);
    }
}
