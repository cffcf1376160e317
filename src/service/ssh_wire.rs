//! SSH packets and the types inside them, read with bounds. RFC 4251 5, RFC 4253 6 and 7.1.

use sha2::{Digest, Sha256};

use super::encoding::base64;

/// Longest packet that an implementation must take. RFC 4253 6.1.
const LONGEST: usize = 35_000;
/// Names in one list; real servers offer fewer than 40.
const MOST_NAMES: usize = 256;

/// The first unencrypted packet: its payload, and how many bytes it takes. None where more bytes are needed.
pub(super) fn packet(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, &'static str> {
    let Some(length) = bytes.get(..4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes) else { return Ok(None) };
    let length = length as usize;
    if !(2..=LONGEST).contains(&length) {
        return Err("a packet has an impossible length");
    }
    let Some(body) = bytes.get(4..4 + length) else { return Ok(None) };
    let padding = usize::from(body.first().copied().unwrap_or(0));
    let payload = length.checked_sub(padding + 1).and_then(|end| body.get(1..1 + end));
    payload
        .filter(|p| !p.is_empty())
        .map(|p| Some((p, 4 + length)))
        .ok_or("a packet's padding is longer than the packet")
}

/// Puts a payload into a packet without encryption, padded to blocks of eight.
pub(super) fn pack(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    let mut out = ((payload.len() + padding + 1) as u32).to_be_bytes().to_vec();
    out.push(padding as u8);
    out.extend_from_slice(payload);
    out.resize(out.len() + padding, 0);
    out
}

/// Appends a string with its length.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Key exchange methods that we can begin, the cheapest for the server first.
pub(super) const EXCHANGES: &[&str] = &[
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group1-sha1",
];

/// The base point of P-256, uncompressed: a valid public value, and all that is needed where the secret is not used.
/// SEC 2 2.4.2.
const P256_BASE: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03,
    0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce,
    0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// A KEXINIT that asks for one exchange method and one host key algorithm, and takes the server's other choices; then the
/// first message of the exchange. `random` is at least 160 bytes.
pub(super) fn begin(lists: &Lists, exchange: &str, host_key: &str, random: &[u8]) -> Option<Vec<u8>> {
    let mut kexinit = vec![KEXINIT];
    kexinit.extend_from_slice(random.get(..16)?);
    let first = |names: &[String], fallback: &str| names.first().map_or(fallback, String::as_str).to_owned();
    for list in [
        exchange.to_owned(),
        host_key.to_owned(),
        first(&lists.ciphers_in, "aes128-ctr"),
        first(&lists.ciphers_out, "aes128-ctr"),
        first(&lists.macs_in, "hmac-sha2-256"),
        first(&lists.macs_out, "hmac-sha2-256"),
        first(&lists.compression_in, "none"),
        first(&lists.compression_out, "none"),
        String::new(),
        String::new(),
    ] {
        put(&mut kexinit, list.as_bytes());
    }
    // No guess follows; a reserved number. RFC 4253 7.1.
    kexinit.extend_from_slice(&[0; 5]);
    let mut init = vec![super::ssh::EXCHANGE_INIT];
    match exchange {
        "curve25519-sha256" | "curve25519-sha256@libssh.org" => put(&mut init, random.get(16..48)?),
        "ecdh-sha2-nistp256" => put(&mut init, &P256_BASE),
        // Any number between 1 and the prime: 1023 bits fit under every group. RFC 4253 8.
        _ => {
            let mut number = random.get(16..144)?.to_vec();
            if let Some(top) = number.first_mut() {
                *top = (*top & 0x3f) | 0x40;
            }
            put(&mut init, &number);
        }
    }
    Some([pack(&kexinit), pack(&init)].concat())
}

/// A host key as the server sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostKey {
    /// `ssh-ed25519`, `ssh-rsa`, …
    pub(super) kind: String,
    /// `SHA256:` and base64 without padding, as OpenSSH prints it.
    pub(super) fingerprint: String,
    /// Size, where the type is known.
    pub(super) bits: Option<u32>,
}

impl HostKey {
    /// Reads the public key format of RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4.
    pub(super) fn read(blob: &[u8]) -> Option<Self> {
        let mut rest = blob;
        let kind = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
        let plain = kind.len() <= 64 && kind.bytes().all(|b| b.is_ascii_graphic() && b != b'.');
        let bits = match kind.as_str() {
            "ssh-rsa" => {
                take(&mut rest)?;
                Some(super::tls_reply::bits(take(&mut rest)?))
            }
            "ssh-dss" => Some(super::tls_reply::bits(take(&mut rest)?)),
            "ssh-ed25519" => Some(256),
            "ssh-ed448" => Some(456),
            "ecdsa-sha2-nistp256" => Some(256),
            "ecdsa-sha2-nistp384" => Some(384),
            "ecdsa-sha2-nistp521" => Some(521),
            _ => None,
        };
        let digest = base64(&Sha256::digest(blob));
        let fingerprint = format!("SHA256:{}", digest.trim_end_matches('='));
        plain.then_some(Self { kind, fingerprint, bits })
    }
}

/// Takes a string off the front.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
    let found = rest.get(4..4usize.checked_add(length)?)?;
    *rest = rest.get(4 + length..)?;
    Some(found)
}

/// The name-lists of a KEXINIT; `in` is from client to server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lists {
    pub(super) kex: Vec<String>,
    pub(super) host_keys: Vec<String>,
    pub(super) ciphers_in: Vec<String>,
    pub(super) ciphers_out: Vec<String>,
    pub(super) macs_in: Vec<String>,
    pub(super) macs_out: Vec<String>,
    pub(super) compression_in: Vec<String>,
    pub(super) compression_out: Vec<String>,
}

/// Message number of KEXINIT.
pub(super) const KEXINIT: u8 = 20;

impl Lists {
    /// Reads the payload of a KEXINIT.
    pub(super) fn read(payload: &[u8]) -> Result<Self, &'static str> {
        if payload.first() != Some(&KEXINIT) {
            return Err("the first packet is no key exchange");
        }
        // Message number and a cookie of 16 bytes.
        let mut rest = payload.get(17..).ok_or("the key exchange is cut short")?;
        let mut next = || -> Result<Vec<String>, &'static str> {
            let list = take(&mut rest).ok_or("a list of names is longer than its packet")?;
            Ok(names(list))
        };
        Ok(Self {
            kex: next()?,
            host_keys: next()?,
            ciphers_in: next()?,
            ciphers_out: next()?,
            macs_in: next()?,
            macs_out: next()?,
            compression_in: next()?,
            compression_out: next()?,
        })
    }
}

/// A comma-separated list of US-ASCII names of at most 64 characters. RFC 4251 6.
fn names(list: &[u8]) -> Vec<String> {
    list.split(|b| *b == b',')
        .filter(|n| !n.is_empty())
        .take(MOST_NAMES)
        .map(|n| String::from_utf8_lossy(n.get(..n.len().min(64)).unwrap_or_default()).into_owned())
        .collect()
}
