//! TLS as a client that accepts every certificate and writes down what it was shown: the way to read certificates under
//! TLS 1.3, and to go on talking inside. Nothing secret is ever sent through it, so nothing depends on trust.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// Accepts any chain and any signature: old keys, old hashes and version 1 certificates are what is looked for.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::RSA_PKCS1_SHA1,
        ]
    }
}

/// A client that offers these application protocols.
pub(super) fn config(protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    // Every connection is a whole handshake, so that each shows its certificate.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// What a handshake showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Shown {
    /// Chain in DER, leaf first.
    pub(super) chain: Vec<Vec<u8>>,
    /// Application protocol chosen.
    pub(super) protocol: Option<String>,
    /// `TLS 1.2`, `TLS 1.3`.
    pub(super) version: Option<&'static str>,
}

/// Reads a finished handshake.
pub(super) fn shown(connection: &rustls::ClientConnection) -> Shown {
    Shown {
        chain: connection.peer_certificates().unwrap_or_default().iter().map(|c| c.to_vec()).collect(),
        protocol: connection.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned()),
        version: match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => Some("TLS 1.2"),
            Some(rustls::ProtocolVersion::TLSv1_3) => Some("TLS 1.3"),
            _ => None,
        },
    }
}

/// The name to ask for; the address where there is no usable name.
pub(super) fn server_name(name: Option<&str>, addr: std::net::IpAddr) -> ServerName<'static> {
    name.and_then(|n| ServerName::try_from(n.trim_end_matches('.').to_owned()).ok())
        .unwrap_or_else(|| ServerName::IpAddress(addr.into()))
}
