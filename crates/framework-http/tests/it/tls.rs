use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use framework_http::{CertificateError, Certificates, Server, ServerSettings, Traffic, drain};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::client::Client;

/// A directory with a certificate and a key, each of which can be replaced.
struct Pair {
    directory: TempDir,
}

impl Pair {
    fn new() -> Self {
        let pair = Self { directory: tempfile::tempdir().unwrap() };
        pair.rotate();
        pair
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        (self.directory.path().join("tls.crt"), self.directory.path().join("tls.key"))
    }

    /// As tools do that know nothing of each other: first one file, then the other.
    fn rotate(&self) -> CertificateDer<'static> {
        let (cert, key) = self.files();
        let CertifiedKey { cert: new, signing_key } = made();
        replace(&cert, &new.pem());
        replace(&key, &signing_key.serialize_pem());
        new.der().clone()
    }
}

fn made() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, file).unwrap();
}

/// Trusts everybody: what is of interest here is which certificate comes.
#[derive(Debug)]
struct TrustAnyone;

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn connector(protocols: &[&str]) -> TlsConnector {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAnyone))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn handshake(address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    connector(&["http/1.1"]).connect(name, TcpStream::connect(address).await?).await
}

/// The certificate that a server shows now, and what it answers.
async fn ask(address: SocketAddr) -> std::io::Result<(CertificateDer<'static>, String)> {
    let mut stream = handshake(address).await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok((shown, answer))
}

struct Running {
    address: SocketAddr,
    traffic: Traffic,
    control: framework_http::DrainControl,
    serving: JoinSet<framework_http::ServeReport>,
}

async fn serve(pair: &Pair, settings: ServerSettings) -> Running {
    let (cert, key) = pair.files();
    start(Certificates::load(cert, key).unwrap(), settings).await
}

async fn serve_with(certificates: Certificates) -> Running {
    start(certificates, ServerSettings::default()).await
}

async fn start(certificates: Certificates, settings: ServerSettings) -> Running {
    let server = Server::bind("127.0.0.1:0").await.unwrap().settings(settings);
    let server = server.tls(certificates);
    let (address, traffic) = (server.local_addr(), server.traffic());
    let (control, signal) = drain();
    let mut serving = JoinSet::new();
    serving.spawn(server.serve(Router::new().route("/", get(async || "hello")), signal));
    Running { address, traffic, control, serving }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_rotate_under_load_and_no_handshake_fails() {
    let pair = Pair::new();
    let server = serve(&pair, ServerSettings::default()).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (over, address) = (Arc::clone(&over), server.address);
        clients.spawn(async move {
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) {
                let (_, answer) = ask(address).await.expect("no handshake fails");
                assert!(answer.ends_with("hello"), "{answer}");
                asked += 1;
            }
            asked
        });
    }
    for _ in 0..3 {
        let new = pair.rotate();
        while ask(server.address).await.unwrap().0 != new {}
    }
    over.store(true, Ordering::Relaxed);
    assert!(clients.join_all().await.into_iter().all(|asked: usize| asked > 10));
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_certificate_in_force() {
    let pair = Pair::new();
    let (cert, key) = pair.files();
    let certificates = Certificates::load(&cert, &key).unwrap();
    replace(&key, &made().signing_key.serialize_pem());
    let error = certificates.reload().unwrap_err();
    assert!(matches!(error, CertificateError::Mismatch { .. }), "{error:?}");
    replace(&cert, "nothing");
    let error = certificates.reload().unwrap_err();
    assert_eq!(error.to_string(), format!("`{}` holds no certificate in PEM form", cert.display()));
    fs::remove_file(&cert).unwrap();
    assert!(
        matches!(certificates.reload(), Err(CertificateError::Read { path, .. }) if path == cert)
    );
    let new = pair.rotate();
    certificates.reload().unwrap();
    assert_eq!(ask(serve_with(certificates).await.address).await.unwrap().0, new);
}

#[tokio::test]
async fn a_reload_is_in_force_at_once() {
    let pair = Pair::new();
    let (cert, key) = pair.files();
    let certificates = Certificates::load(&cert, &key).unwrap();
    // A server looks at the files when it begins, so each may be in the middle of that.
    for _ in 0..20 {
        let server = serve_with(certificates.clone()).await;
        let old = ask(server.address).await.unwrap().0;
        let new = pair.rotate();
        certificates.reload().unwrap();
        assert_eq!((ask(server.address).await.unwrap().0, old == new), (new, false));
    }
}

#[tokio::test]
async fn http2_is_agreed_on_in_the_handshake() {
    let pair = Pair::new();
    let server = serve(&pair, ServerSettings::default()).await;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let stream = connector(&["h2", "http/1.1"]).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_ends_its_connection_and_holds_no_shutdown_up() {
    let pair = Pair::new();
    let settings = ServerSettings::default().header_read_timeout(Duration::from_millis(200));
    let server = serve(&pair, settings).await;
    let mut silent = Client::connect(server.address).await;
    silent.closed().await;

    let settings = ServerSettings::default().drain_linger(Duration::from_secs(1));
    let mut server = serve(&pair, settings).await;
    let mut silent = Client::connect(server.address).await;
    silent.send("\u{16}\u{3}\u{1}").await;
    while server.traffic.open_connections() == 0 {
        tokio::task::yield_now().await;
    }
    let asked = tokio::time::Instant::now();
    server.control.stop_within(Duration::from_secs(20));
    let report = server.serving.join_next().await.unwrap().unwrap();
    assert!(report.cut.is_empty() && asked.elapsed() < Duration::from_secs(2), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_connections_lose_no_request_to_a_shutdown() {
    let pair = Pair::new();
    let mut server = serve(&pair, ServerSettings::default()).await;
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let stream = handshake(server.address).await.unwrap();
        clients.spawn(async move {
            let mut stream = stream;
            loop {
                stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(b"hello") {
                    let n = stream.read_buf(&mut answer).await.unwrap();
                    assert!(n > 0, "lost: {:?}", String::from_utf8_lossy(&answer));
                }
                if String::from_utf8_lossy(&answer).contains("connection: close") {
                    return;
                }
            }
        });
    }
    let mut other = handshake(server.address).await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let _ = other.read_u8().await.unwrap();
    drop(other);
    server.control.stop_within(Duration::from_secs(20));
    clients.join_all().await;
    assert!(server.serving.join_next().await.unwrap().unwrap().cut.is_empty());
}
