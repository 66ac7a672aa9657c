//! Certificates of the tortures' own, and handshakes that check them.

use std::{fs, io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::BoxError;

/// What a client trusts.
#[derive(Clone)]
pub(crate) struct Roots {
    connector: TlsConnector,
}

/// A certificate and its key.
#[derive(Debug)]
pub(crate) struct Pair {
    cert: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Pair {
    /// Makes one that is like no other.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no randomness.
    pub(crate) fn make() -> Result<Self, BoxError> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let der = made.cert.der().clone();
        Ok(Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem(), der })
    }

    /// Writes both files, one after the other, each at once.
    ///
    /// # Errors
    ///
    /// Returns an error if the files cannot be written.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        for (name, text) in [("tls.crt", &self.cert), ("tls.key", &self.key)] {
            let new = dir.join(format!("{name}.new"));
            fs::write(&new, text)?;
            fs::rename(&new, dir.join(name))?;
        }
        Ok(())
    }
}

impl Roots {
    /// Trusts these certificates, and speaks `protocol`.
    ///
    /// # Errors
    ///
    /// Returns an error if a certificate is none.
    pub(crate) fn of<'a>(
        pairs: impl IntoIterator<Item = &'a Pair>,
        protocol: &[u8],
    ) -> Result<Self, BoxError> {
        let mut store = RootCertStore::empty();
        for pair in pairs {
            store.add(pair.der.clone())?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        // Whoever takes up an old session shows no certificate.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Shakes hands.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not, or shows a certificate that is not trusted.
    pub(crate) async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        self.connector.connect(name, stream).await
    }
}

impl std::fmt::Debug for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roots").finish_non_exhaustive()
    }
}
