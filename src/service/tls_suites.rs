//! Cipher suites by number: names from IANA's list as tls-parser carries it, and the portions in which they are
//! offered, so that a weak one is never hidden behind a bound on connections.

use tls_parser::{CIPHERS, TlsCipherEnc, TlsCipherEncMode, TlsCipherKx, TlsCipherMac, TlsCipherSuite};

/// How keys are agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    EllipticEphemeral,
    FiniteEphemeral,
    Other,
}

fn of(number: u16) -> Option<&'static TlsCipherSuite> {
    TlsCipherSuite::from_id(number)
}

/// IANA name, or the number in hex.
pub(super) fn name(number: u16) -> String {
    of(number).map_or_else(|| format!("0x{number:04x}"), |s| s.name.to_owned())
}

pub(super) fn exchange(number: u16) -> Exchange {
    match of(number).map(|s| s.kx) {
        // An anonymous elliptic exchange has the same parameters.
        Some(TlsCipherKx::Ecdhe | TlsCipherKx::Aecdh) => Exchange::EllipticEphemeral,
        Some(TlsCipherKx::Dhe) => Exchange::FiniteEphemeral,
        // Anonymous Diffie-Hellman sends its parameters too.
        Some(TlsCipherKx::Dh) if of(number).is_some_and(|s| s.name.contains("DH_anon")) => Exchange::FiniteEphemeral,
        _ => Exchange::Other,
    }
}

/// Signals are no suites: RFC 5746 3.3, RFC 7507.
const SIGNALS: [u16; 2] = [0x00ff, 0x5600];

/// Suites of TLS 1.3.
pub(super) fn modern() -> Vec<u16> {
    let mut all: Vec<u16> = CIPHERS.values().filter(|s| s.kx == TlsCipherKx::Tls13).map(|s| s.id.0).collect();
    all.sort_unstable();
    all
}

/// Suites of older versions in four portions: those that ought not to be there and the rest, each without and with finite
/// Diffie-Hellman. Finite exchanges are offered alone, because some servers choose one and then fail for want of a group.
pub(super) fn older(before_tls12: bool) -> [Vec<u16>; 4] {
    let unusable = |s: &TlsCipherSuite| {
        SIGNALS.contains(&s.id.0)
            || s.id.0 == 0
            || matches!(
                s.kx,
                TlsCipherKx::Tls13 | TlsCipherKx::Psk | TlsCipherKx::Srp | TlsCipherKx::Krb5 | TlsCipherKx::Eccpwd
            )
            || s.name.contains("_PSK_")
            || (before_tls12 && only_tls12(s))
    };
    let mut all: Vec<&TlsCipherSuite> = CIPHERS.values().filter(|s| !unusable(s)).collect();
    all.sort_by_key(|s| s.id.0);
    let portion = |is_weak: bool, finite: bool| {
        let fits =
            |s: &&&TlsCipherSuite| weak(s) == is_weak && (exchange(s.id.0) == Exchange::FiniteEphemeral) == finite;
        all.iter().filter(fits).map(|s| s.id.0).collect()
    };
    [portion(true, false), portion(true, true), portion(false, false), portion(false, true)]
}

fn only_tls12(s: &TlsCipherSuite) -> bool {
    matches!(s.mac, TlsCipherMac::Aead | TlsCipherMac::HmacSha256 | TlsCipherMac::HmacSha384)
        || matches!(s.enc_mode, TlsCipherEncMode::Gcm | TlsCipherEncMode::Ccm)
}

/// No encryption, no authentication, export keys, broken or short-block ciphers, finite groups of unknown size.
fn weak(s: &TlsCipherSuite) -> bool {
    matches!(
        s.enc,
        TlsCipherEnc::Null
            | TlsCipherEnc::Des
            | TlsCipherEnc::TripleDes
            | TlsCipherEnc::Rc2
            | TlsCipherEnc::Rc4
            | TlsCipherEnc::Idea
    ) || s.name.contains("anon")
        || s.name.contains("EXPORT")
        || s.mac == TlsCipherMac::HmacMd5
}
