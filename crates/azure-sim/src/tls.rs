//! https for the loopback server: certificates and a listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// A server certificate with its key, and who signed it, all PEM.
#[derive(Clone)]
pub struct Certificate {
    /// What clients have to trust. Empty for a certificate that was given.
    pub authority: String,
    /// The server's certificate chain.
    pub chain: String,
    /// Its private key.
    pub key: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

/// Why there is no https.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// It could not be made.
    #[error("could not make a certificate")]
    Make(#[from] rcgen::Error),
    /// It is not PEM.
    #[error("could not read the certificate or its key")]
    Read(#[from] rustls::pki_types::pem::Error),
    /// Certificate and key do not fit together, or are of no use.
    #[error("could not use the certificate")]
    Use(#[from] rustls::Error),
    /// The listener is none.
    #[error("could not listen")]
    Listen(#[from] io::Error),
}

impl Certificate {
    /// A certificate for `localhost`, `127.0.0.1` and `::1`, signed by an authority made for it alone, whose key is
    /// forgotten at once.
    pub fn for_loopback() -> Result<Self, TlsError> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "azure-sim, for tests on this machine only");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate()?;
        let signed = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        // Python from 3.13 on insists on it.
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &issuer)?;
        Ok(Self { authority: signed.pem(), chain: certificate.pem(), key: key.serialize_pem() })
    }

    fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Handshakes that wait to be served.
const BACKLOG: usize = 64;
/// After a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts TLS connections. Handshakes run side by side; one that fails is dropped.
#[derive(Debug)]
pub struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    /// Takes over a bound listener. Needs a tokio runtime.
    pub fn new(tcp: TcpListener, certificate: &Certificate) -> Result<Self, TlsError> {
        let acceptor = certificate.acceptor()?;
        let address = tcp.local_addr()?;
        let (send, ready) = mpsc::channel(BACKLOG);
        tokio::spawn(async move {
            while !send.is_closed() {
                let Ok((stream, peer)) = tcp.accept().await else {
                    // The connection broke before it was accepted, or too many files are open.
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                let (acceptor, send) = (acceptor.clone(), send.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = send.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(Self { address, ready })
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The accepting task is gone only when the runtime ends.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
