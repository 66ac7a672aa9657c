//! `https://`, with a certificate that the system trusts, and with one that it does not.

use std::{fs, sync::Arc};

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

use crate::{
    app::{ALLOWED, App},
    origin::rss,
};

/// Serves a feed with a certificate of `issuer`. Gives its address.
async fn serve(issuer: &CertifiedIssuer<'static, KeyPair>) -> (String, JoinSet<()>) {
    let key = KeyPair::generate().expect("there is randomness");
    let params = CertificateParams::new([ALLOWED.to_string()]).expect("it is an address");
    let certificate = params.signed_by(&key, issuer).expect("the issuer may sign");
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((ALLOWED, 0)).await.expect("there is a port");
    let url = format!("https://{}/feed", listener.local_addr().expect("it listens"));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("it listens");
            // Whoever does not trust the certificate hangs up.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 2048];
            let _read = stream.read(&mut request).await;
            let body = rss("Encrypted", 1);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _written = stream.write_all((head + &body).as_bytes()).await;
            let _flushed = stream.shutdown().await;
        }
    });
    (url, serving)
}

fn issuer() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("there is randomness");
    CertifiedIssuer::self_signed(params, key).expect("the key is good")
}

#[tokio::test]
async fn a_certificate_counts_if_the_system_trusts_its_issuer() {
    let (trusted, stranger) = (issuer(), issuer());
    let (good, _serving) = serve(&trusted).await;
    let (bad, _serving_too) = serve(&stranger).await;
    let dir = tempfile::tempdir().unwrap();
    let roots = dir.path().join("roots.pem");
    fs::write(&roots, trusted.pem()).unwrap();
    let app = App::start_trusting(dir.path(), &roots).await;
    assert_eq!(app.client().add(&good).await.expect(201)["title"], "Encrypted");
    app.client().add(&bad).await.expect(502);
}
