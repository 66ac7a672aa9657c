//! Certificates, read again when their files change.

use std::{
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use framework_core::{Chain, is_planted};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at. Whoever waits for a new certificate waits for longer.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where the certificate of a server is: `http.tls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// A PEM file with the certificate, and after it those that lead to its root.
    pub cert: PathBuf,
    /// A PEM file with the certificate's private key.
    pub key: PathBuf,
}

/// A certificate and its key, which are replaced while they are in use when their files change.
///
/// # Examples
///
/// ```no_run
/// use framework_http::{Certificates, Server};
///
/// # async fn listen() -> Result<(), Box<dyn std::error::Error>> {
/// let certificates = Certificates::load("/run/tls/tls.crt", "/run/tls/tls.key")?;
/// let server = Server::bind("0.0.0.0:8443").await?.tls(certificates);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Certificates {
    files: Files,
    current: Arc<ArcSwap<CertifiedKey>>,
    // Held from reading the files until what they hold is in use, so that nobody puts in what was
    // read before somebody else put in what is newer.
    turn: Arc<Mutex<()>>,
}

#[derive(Clone, Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// What the two files hold.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// A certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file holds no certificate, or no key, in PEM form.
    #[error("`{}` holds no {what} in PEM form", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        source: framework_core::BoxError,
    },
    /// The key cannot be used, or is not the certificate's.
    #[error("the key in `{}` does not go with the certificate in `{}`", key.display(), cert.display())]
    Mismatch {
        /// The file with the certificate.
        cert: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What is wrong.
        source: framework_core::BoxError,
    },
}

/// Gives each handshake the certificate of the moment.
#[derive(Debug)]
struct Latest(Arc<ArcSwap<CertifiedKey>>);

// ===== impl Certificates =====

impl Certificates {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or parsed, or if the key is not the certificate's.
    pub fn load(
        cert: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, CertificateError> {
        let files = Files { cert: cert.into(), key: key.into() };
        let current = files.certified(&files.read()?)?;
        Ok(Self { files, current: Arc::new(ArcSwap::from_pointee(current)), turn: Arc::default() })
    }

    /// Reads both files again. Connections that are open keep the certificate that they have.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); the certificate that was in use then stays so.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let _turn = self.turn();
        let certified = self.files.certified(&self.files.read()?)?;
        self.current.store(Arc::new(certified));
        Ok(())
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the files once, and says what they hold if it is something else than before.
    fn look(&self, before: Option<Result<Pem, String>>) -> Option<Result<Pem, String>> {
        let _turn = self.turn();
        let (now, certified) = self.files.changed(before)?;
        match certified {
            Ok(certified) => {
                let new = Arc::new(certified);
                let old = self.current.swap(Arc::clone(&new));
                if old.cert != new.cert {
                    tracing::info!(cert = %self.files.cert.display(), "took a new certificate");
                }
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "keeping the certificate in use");
            }
        }
        Some(now)
    }

    /// Makes the handshakes of a server.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let latest = Arc::new(Latest(Arc::clone(&self.current)));
        // Named, as a process may hold another provider as well, and then none is the default.
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows the default versions")
            .with_no_client_auth()
            .with_cert_resolver(latest);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    /// Replaces the certificate whenever its files have changed. Two files cannot be changed at
    /// once, so a pair that does not fit is looked at again rather than taken.
    pub(crate) async fn watch(self) -> Infallible {
        if is_planted("old-certificates") {
            return std::future::pending().await;
        }
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = None;
        loop {
            looks.tick().await;
            let (certificates, before) = (self.clone(), seen.clone());
            let looked = tokio::task::spawn_blocking(move || certificates.look(before)).await;
            if let Ok(Some(now)) = looked {
                seen = Some(now);
            }
        }
    }
}

// ===== impl Files =====

/// What was seen, and what became of it.
type Change = (Result<Pem, String>, Result<CertifiedKey, CertificateError>);

impl Files {
    fn read(&self) -> Result<Pem, CertificateError> {
        let read = |path: &Path| {
            fs::read(path)
                .map_err(|source| CertificateError::Read { path: path.to_owned(), source })
        };
        Ok(Pem { cert: read(&self.cert)?, key: read(&self.key)? })
    }

    /// What the files hold, if that is something else than before.
    fn changed(&self, before: Option<Result<Pem, String>>) -> Option<Change> {
        match self.read() {
            Ok(pem) => {
                let now = Ok(pem);
                if before.as_ref() == Some(&now) {
                    return None;
                }
                let certified = now.as_ref().ok().map(|pem| self.certified(pem))?;
                Some((now, certified))
            }
            Err(error) => {
                let now = Err(error.to_string());
                (before.as_ref() != Some(&now)).then_some((now, Err(error)))
            }
        }
    }

    fn certified(&self, pem: &Pem) -> Result<CertifiedKey, CertificateError> {
        let failed = |path: &Path, what, source: pem::Error| CertificateError::Parse {
            path: path.to_owned(),
            what,
            source: source.into(),
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.cert).collect();
        let chain = chain.map_err(|error| failed(&self.cert, "certificate", error))?;
        if chain.is_empty() {
            return Err(failed(&self.cert, "certificate", pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_slice(&pem.key)
            .map_err(|error| failed(&self.key, "private key", error))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
            CertificateError::Mismatch {
                cert: self.cert.clone(),
                key: self.key.clone(),
                source: error.into(),
            }
        })
    }
}

impl ResolvesServerCert for Latest {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    /// A certificate and its key, in PEM form.
    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn what_was_read_earlier_never_takes_the_place_of_what_was_read_later() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let write = |pair: &(String, String)| {
            fs::write(&cert, &pair.0).unwrap();
            fs::write(&key, &pair.1).unwrap();
        };
        write(&made());
        let certificates = Certificates::load(&cert, &key).unwrap();
        for _ in 0..20 {
            let (looker, new) = (certificates.clone(), made());
            let begun = Arc::new(Barrier::new(2));
            let turn = certificates.turn();
            let look = thread::spawn({
                let begun = Arc::clone(&begun);
                move || {
                    begun.wait();
                    looker.look(None)
                }
            });
            begun.wait();
            // Whoever looks has to wait for its turn, and so sees what is written meanwhile.
            write(&new);
            drop(turn);
            look.join().unwrap();
            let shown = CertificateDer::from_pem_slice(new.0.as_bytes()).unwrap();
            assert_eq!(certificates.current.load().cert[0], shown);
        }
    }
}
