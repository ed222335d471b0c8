//! https of the loopback server: trusted by who has its authority, and by nobody else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use azure_sim::server::{Served, serve};
use azure_sim::tls::{Certificate, TlsListener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

async fn start(certificate: &Certificate) -> SocketAddr {
    let world = crate::support::world();
    let start = world.now();
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let listener = TlsListener::new(tcp, certificate).unwrap();
    let mut served = Served::new(Arc::new(Mutex::new(world)), Arc::new(move || start));
    served.scheme = "https";
    tokio::spawn(serve(listener, served));
    address
}

fn trusting(authority: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

async fn ask(connector: &TlsConnector, address: SocketAddr, name: &str) -> std::io::Result<String> {
    let tcp = tokio::net::TcpStream::connect(address).await?;
    let mut stream = connector.connect(ServerName::try_from(name.to_owned()).unwrap(), tcp).await?;
    let request = format!(
        "GET /metadata/endpoints?api-version=2022-09-01 HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn only_who_has_the_authority_trusts_the_server() {
    let certificate = Certificate::for_loopback().unwrap();
    let address = start(&certificate).await;
    let friend = trusting(&certificate.authority);
    for name in ["127.0.0.1", "localhost", "::1"] {
        let answer = ask(&friend, address, name).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(&format!("https://{address}/")), "links lead back by https: {answer}");
    }
    assert!(ask(&friend, address, "example.com").await.is_err(), "for this machine only");
    let stranger = trusting(&Certificate::for_loopback().unwrap().authority);
    assert!(ask(&stranger, address, "localhost").await.is_err());
    // Handshakes that failed, or never came, are in nobody's way.
    let _silent = tokio::net::TcpStream::connect(address).await.unwrap();
    assert!(ask(&friend, address, "localhost").await.is_ok());
}

#[tokio::test]
async fn a_given_certificate_is_used() {
    let made = Certificate::for_loopback().unwrap();
    let given = Certificate { authority: String::new(), chain: made.chain, key: made.key };
    let address = start(&given).await;
    assert!(ask(&trusting(&made.authority), address, "localhost").await.is_ok());
    let other = Certificate::for_loopback().unwrap();
    let mixed = Certificate { key: other.key, ..given };
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(TlsListener::new(tcp, &mixed).is_err(), "a key of another certificate");
}
