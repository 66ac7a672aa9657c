use std::{io, sync::Arc};

use framework_core::BoxError;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio_rustls::TlsConnector;

use super::BoxTransport;

/// Speaks TLS with servers whose certificates the system trusts.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Reads the certificates of the system.
    pub(crate) fn of_system() -> Result<Self, BoxError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(found.certs);
        if usable == 0 {
            let first = found.errors.into_iter().next();
            return Err(first.map_or_else(|| "there are none".into(), Into::into));
        }
        // Named, not installed for the whole process: another application in it may have another.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn secure(
        &self,
        host: &str,
        transport: BoxTransport,
    ) -> io::Result<BoxTransport> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(self.0.connect(name, transport).await?))
    }
}
