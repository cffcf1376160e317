//! Certificates as facts: names, dates, keys, signatures, and what the public roots say of the chain. RFC 5280, RFC 9525.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

use super::conversation::Learned;
use super::encoding::hex;
use super::evidence::Facts;
use super::services::Setup;

/// Names of one certificate that are kept.
const MOST_NAMES: usize = 200;

/// Sets the facts of a chain, leaf first.
pub(super) fn tell(chain: &[Vec<u8>], setup: &Setup, learned: &mut Learned) {
    match facts(chain, setup.name.as_deref(), setup.addr, setup.now) {
        Some(facts) => learned.facts.extend(facts),
        None => learned.untested("tls.certificate", "the certificate cannot be read"),
    }
}

/// Facts of a chain; none where the leaf cannot be read.
pub(super) fn facts(chain: &[Vec<u8>], name: Option<&str>, addr: IpAddr, now: Timestamp) -> Option<Facts> {
    let mut facts = Facts::default();
    let der = chain.first()?;
    let (_, leaf) = X509Certificate::from_der(der).ok()?;
    let text = |n: &X509Name<'_>| n.to_string();
    let names = names(&leaf);
    facts.set("tls.certificate.subject", text(leaf.subject()));
    facts.set("tls.certificate.issuer", text(leaf.issuer()));
    facts.set("tls.certificate.names", names.clone());
    for (path, at) in [("not_before", leaf.validity().not_before), ("not_after", leaf.validity().not_after)] {
        if let Ok(at) = Timestamp::from_second(at.timestamp()) {
            facts.set(&format!("tls.certificate.{path}"), at);
        }
    }
    let (kind, bits) = key(&leaf);
    facts.set("tls.certificate.key_type", kind);
    if let Some(bits) = bits {
        facts.set("tls.certificate.key_bits", i64::from(bits));
    }
    facts.set("tls.certificate.signature", signature(&leaf.signature_algorithm.algorithm.to_id_string()));
    facts.set("tls.certificate.serial", hex(leaf.raw_serial()));
    facts.set("tls.certificate.fingerprint", hex(&Sha256::digest(der)));
    facts.set("tls.certificate.key_fingerprint", hex(&Sha256::digest(leaf.public_key().raw)));
    facts.set("tls.certificate.self_signed", leaf.subject().as_raw() == leaf.issuer().as_raw());
    facts.set("tls.certificate.ca", leaf.is_ca());
    let subjects = chain.iter().filter_map(|c| X509Certificate::from_der(c).ok()).map(|(_, c)| text(c.subject()));
    facts.set("tls.certificate.chain", subjects.collect::<Vec<String>>());
    trust(chain, &names, &leaf, now, &mut facts);
    if let Some(name) = name {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let matches = names.iter().any(|n| matches(n, &name)) || names.contains(&addr.to_string());
        facts.set("tls.certificate.name_matches", matches);
    }
    Some(facts)
}

/// Subject alternative names, lower case; the common name counts for nothing. RFC 9525 4.1, 6.3.
fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let lists = leaf.extensions().iter().filter_map(|e| match e.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(names),
        _ => None,
    });
    let one = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|a| a.to_string())
        }
        _ => None,
    };
    lists.flat_map(|list| list.general_names.iter().filter_map(one)).take(MOST_NAMES).collect()
}

/// A wildcard is a whole leftmost label, and stands for one label. RFC 9525 6.3.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => pattern.trim_end_matches('.') == name,
        Some(rest) => name.split_once('.').is_some_and(|(first, after)| !first.is_empty() && after == rest),
    }
}

fn key(leaf: &X509Certificate<'_>) -> (&'static str, Option<u32>) {
    let oid = leaf.public_key().algorithm.algorithm.to_id_string();
    match (leaf.public_key().parsed(), oid.as_str()) {
        (Ok(PublicKey::RSA(key)), _) => ("RSA", Some(super::tls_reply::bits(key.modulus))),
        (Ok(PublicKey::EC(point)), _) => {
            // An uncompressed point is a byte and two numbers; 66 bytes are the 521 bits of P-521.
            let bytes = point.data().len().saturating_sub(1) / 2;
            ("EC", Some(if bytes == 66 { 521 } else { bytes as u32 * 8 }))
        }
        (Ok(PublicKey::DSA(key)), _) => ("DSA", Some(super::tls_reply::bits(key))),
        // RFC 8410 3.
        (_, "1.3.101.112") => ("Ed25519", Some(256)),
        (_, "1.3.101.113") => ("Ed448", Some(456)),
        _ => ("unknown", None),
    }
}

/// Names of signature algorithms, as RFC 3279, 4055, 5758 and 8410 write them.
fn signature(oid: &str) -> String {
    match oid {
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.10040.4.3" => "dsa-with-SHA1",
        "2.16.840.1.101.3.4.3.2" => "dsa-with-SHA256",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        other => other,
    }
    .into()
}

static ROOTS: LazyLock<Option<Arc<WebPkiServerVerifier>>> = LazyLock::new(|| {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()
});

/// What the public roots say of the chain, whatever name it is for: at this moment, and at one at which the leaf was valid.
fn trust(chain: &[Vec<u8>], names: &[String], leaf: &X509Certificate<'_>, now: Timestamp, facts: &mut Facts) {
    let Some(verifier) = ROOTS.as_ref() else { return };
    let name = names.iter().find_map(|n| ServerName::try_from(n.replace("*.", "any.")).ok());
    let Some(name) = name else {
        facts.set("tls.certificate.trusted", false);
        facts.set("tls.certificate.chain_complete", false);
        return;
    };
    let der: Vec<CertificateDer<'_>> = chain.iter().map(|c| CertificateDer::from(c.as_slice())).collect();
    let Some((end, rest)) = der.split_first() else { return };
    let at = |second: i64| UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(second).unwrap_or(0)));
    let ask = |second: i64| match verifier.verify_server_cert(end, rest, &name, &[], at(second)) {
        Ok(_) => Ok(()),
        Err(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Ok(()),
        Err(error) => Err(error),
    };
    facts.set("tls.certificate.trusted", ask(now.as_second()).is_ok());
    let (from, to) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    let then = now.as_second().clamp(from, to.max(from).saturating_sub(1).max(from));
    facts.set("tls.certificate.chain_complete", ask(then).is_ok());
}

/// Status in a stapled OCSP response: the tag of CertStatus in the first single response. RFC 6960 4.2.1.
pub(super) fn stapled(response: &[u8]) -> Option<&'static str> {
    // The certificate's id ends with its serial number, an INTEGER; the status follows it, and a time follows that.
    // [0] good is empty, [1] revoked holds a time, [2] unknown is empty; the next value is thisUpdate.
    response.windows(4).find_map(|w| match w {
        [0x80, 0x00, 0x18, 0x0f] => Some("good"),
        [0x82, 0x00, 0x18, 0x0f] => Some("unknown"),
        [0xa1, n, 0x18, 0x0f] if *n >= 0x11 => Some("revoked"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_one_label() {
        for (pattern, name, want) in [
            ("a.example", "a.example", true),
            ("*.example", "a.example", true),
            ("*.example", "a.b.example", false),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("a*.example", "ab.example", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
