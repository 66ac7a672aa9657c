//! `https://`, with a certificate that the system trusts, and with one that it does not.

use std::{env, fs, process::Command, sync::Arc, time::Duration};

use framework_client::{Client, ClientSettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// Names the server that the other process is to ask.
const SERVER: &str = "CLIENT_TLS_SERVER";

/// Answers `hello` with a certificate of `issuer`. Gives its address.
async fn serve(issuer: &CertifiedIssuer<'static, KeyPair>) -> (String, JoinSet<()>) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, issuer).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Whoever does not trust the certificate hangs up.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _read = stream.read(&mut [0; 2048]).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
            let _written = stream.write_all(answer).await;
            let _flushed = stream.shutdown().await;
        }
    });
    (url, serving)
}

fn issuer() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What a process says that trusts the certificates in `roots`, and nothing else.
async fn asked_by_another_process(url: &str, roots: &std::path::Path) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["tls::the_process", "--exact", "--nocapture"]);
    command.env(SERVER, url).env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR");
    let asked = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8_lossy(&asked.stdout).into_owned()
}

/// No test, but the process that the test starts.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "that is how it tells")]
async fn the_process() {
    let Ok(url) = env::var(SERVER) else { return };
    let mut settings = ClientSettings::at(url);
    settings.retry.max_attempts = 1;
    settings.timeout = Duration::from_secs(10);
    let client = Client::new("secure", settings).unwrap();
    match client.get("/").text().await {
        Ok(text) => println!("answered: {text}"),
        Err(error) => println!("refused: {}", framework_core::Chain(&error)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_counts_if_the_system_trusts_its_issuer() {
    let (trusted, stranger) = (issuer(), issuer());
    let (good, _serving) = serve(&trusted).await;
    let (bad, _serving_too) = serve(&stranger).await;
    let dir = tempfile::tempdir().unwrap();
    let roots = dir.path().join("roots.pem");
    fs::write(&roots, trusted.pem()).unwrap();
    let told = asked_by_another_process(&good, &roots).await;
    assert!(told.contains("answered: hello"), "{told}");
    let told = asked_by_another_process(&bad, &roots).await;
    assert!(told.contains("refused: ") && told.contains("certificate"), "{told}");
    // Without a single certificate to trust, that is said, and not taken for trust in all.
    fs::write(&roots, "").unwrap();
    let told = asked_by_another_process(&good, &roots).await;
    assert!(!told.contains("answered"), "{told}");
}
