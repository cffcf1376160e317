//! ClientHello bytes of any version, written by ourselves: a TLS library offers only what it would use. RFC 8446 4.1.2,
//! RFC 5246 7.4.1.2, RFC 6101 5.6.1.2; SSL 2.0 after RFC 5246 appendix E.2.

/// A protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Ssl30,
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl Version {
    pub(super) const ALL: [Self; 5] = [Self::Ssl30, Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ssl30 => "SSL 3.0",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }

    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Ssl30 => 0x0300,
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }
}

/// Groups by IANA number and name. RFC 8446 4.2.7, RFC 7919, RFC 8422; the rest from IANA's TLS Supported Groups.
pub(super) const GROUPS: &[(u16, &str)] = &[
    (29, "x25519"),
    (23, "secp256r1"),
    (24, "secp384r1"),
    (25, "secp521r1"),
    (30, "x448"),
    (4588, "X25519MLKEM768"),
    (4587, "SecP256r1MLKEM768"),
    (256, "ffdhe2048"),
    (257, "ffdhe3072"),
    (258, "ffdhe4096"),
    (259, "ffdhe6144"),
    (260, "ffdhe8192"),
    (26, "brainpoolP256r1"),
    (27, "brainpoolP384r1"),
    (28, "brainpoolP512r1"),
    (22, "secp256k1"),
    (21, "secp224r1"),
    (19, "secp192r1"),
    (18, "secp192k1"),
    (14, "sect571r1"),
    (12, "sect409r1"),
    (10, "sect283r1"),
    (7, "sect233r1"),
    (3, "sect163r2"),
    (1, "sect163k1"),
];

/// Signature schemes that we can say we know; the broadest list finds the oldest servers. RFC 8446 4.2.3.
const SIGNATURES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
    0x0203, 0x0201, 0x0402, 0x0202, 0x0101,
];

/// What a hello offers.
#[derive(Debug, Clone)]
pub(super) struct Hello<'a> {
    /// Highest version.
    pub(super) version: Version,
    /// Older versions are offered as well; without it only the highest.
    pub(super) older: bool,
    pub(super) suites: &'a [u16],
    pub(super) groups: &'a [u16],
    pub(super) name: Option<&'a str>,
    pub(super) protocols: &'a [&'a str],
    /// Heartbeat, ticket, certificate status and compression are offered.
    pub(super) extras: bool,
    /// 32 bytes.
    pub(super) random: &'a [u8],
}

fn put16(out: &mut Vec<u8>, n: usize) {
    out.extend_from_slice(&(n as u16).to_be_bytes());
}

fn block(out: &mut Vec<u8>, wide: bool, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    if wide {
        put16(out, inner.len())
    } else {
        out.push(inner.len() as u8)
    }
    out.extend_from_slice(&inner);
}

fn extension(out: &mut Vec<u8>, number: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    put16(out, number);
    block(out, true, fill);
}

impl Hello<'_> {
    /// The record.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put16(&mut body, usize::from(self.version.number().min(0x0303)));
        body.extend(self.random.iter().copied().chain(std::iter::repeat(7)).take(32));
        // A session id in the way of RFC 8446 appendix D.4 makes middleboxes take TLS 1.3 for a resumption.
        let modern = self.version == Version::Tls13;
        block(&mut body, false, |b| {
            if modern {
                b.extend(self.random.iter().rev());
            }
        });
        block(&mut body, true, |b| self.suites.iter().for_each(|s| put16(b, usize::from(*s))));
        block(&mut body, false, |b| b.extend_from_slice(if self.extras { &[1, 0] } else { &[0] }));
        if self.version != Version::Ssl30 {
            block(&mut body, true, |b| self.extensions(b));
        }
        let mut message = vec![1, 0];
        put16(&mut message, body.len());
        message.extend_from_slice(&body);
        let mut record = vec![22];
        put16(&mut record, usize::from(self.version.number().min(0x0301)));
        put16(&mut record, message.len());
        record.extend_from_slice(&message);
        record
    }

    fn extensions(&self, out: &mut Vec<u8>) {
        // Addresses are not names: RFC 6066 3.
        let name = self.name.filter(|n| n.parse::<std::net::IpAddr>().is_err() && n.len() < 254);
        if let Some(name) = name {
            extension(out, 0, |e| {
                block(e, true, |list| {
                    list.push(0);
                    block(list, true, |b| b.extend_from_slice(name.trim_end_matches('.').as_bytes()));
                });
            });
        }
        if !self.groups.is_empty() {
            extension(out, 10, |e| block(e, true, |b| self.groups.iter().for_each(|g| put16(b, usize::from(*g)))));
            extension(out, 11, |e| block(e, false, |b| b.push(0)));
        }
        if self.version >= Version::Tls12 {
            extension(out, 13, |e| block(e, true, |b| SIGNATURES.iter().for_each(|s| put16(b, usize::from(*s)))));
        }
        if !self.protocols.is_empty() {
            extension(out, 16, |e| {
                block(e, true, |list| {
                    self.protocols.iter().for_each(|p| block(list, false, |b| b.extend_from_slice(p.as_bytes())));
                });
            });
        }
        extension(out, 0xff01, |e| e.push(0));
        if self.extras {
            extension(out, 5, |e| e.extend_from_slice(&[1, 0, 0, 0, 0]));
            extension(out, 15, |e| e.push(1));
            extension(out, 35, |_| {});
        }
        if self.version == Version::Tls13 {
            let versions: &[u16] = if self.older { &[0x0304, 0x0303, 0x0302, 0x0301] } else { &[0x0304] };
            extension(out, 43, |e| block(e, false, |b| versions.iter().for_each(|v| put16(b, usize::from(*v)))));
            // No share: the server names the group it wants, and has done no work yet. RFC 8446 4.2.8.
            extension(out, 51, |e| put16(e, 0));
            extension(out, 45, |e| e.extend_from_slice(&[1, 1]));
        }
    }
}

/// Cipher kinds of SSL 2.0 by number and name.
pub(super) const SSL2_KINDS: &[([u8; 3], &str)] = &[
    ([0x01, 0x00, 0x80], "SSL_CK_RC4_128_WITH_MD5"),
    ([0x02, 0x00, 0x80], "SSL_CK_RC4_128_EXPORT40_WITH_MD5"),
    ([0x03, 0x00, 0x80], "SSL_CK_RC2_128_CBC_WITH_MD5"),
    ([0x04, 0x00, 0x80], "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5"),
    ([0x05, 0x00, 0x80], "SSL_CK_IDEA_128_CBC_WITH_MD5"),
    ([0x06, 0x00, 0x40], "SSL_CK_DES_64_CBC_WITH_MD5"),
    ([0x07, 0x00, 0xc0], "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"),
];

/// A hello of SSL 2.0 alone.
pub(super) fn ssl2(challenge: &[u8]) -> Vec<u8> {
    let mut body = vec![1, 0, 2];
    put16(&mut body, SSL2_KINDS.len() * 3);
    put16(&mut body, 0);
    put16(&mut body, 16);
    SSL2_KINDS.iter().for_each(|(kind, _)| body.extend_from_slice(kind));
    body.extend(challenge.iter().copied().chain(std::iter::repeat(7)).take(16));
    let mut record = ((0x8000 | body.len()) as u16).to_be_bytes().to_vec();
    record.extend_from_slice(&body);
    record
}
