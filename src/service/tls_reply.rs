//! What a server answers to a hello, read with bounds: alerts, ServerHello, certificates, key exchange parameters.
//! RFC 8446 4, RFC 5246 7, RFC 8422 5.4.

/// Certificates of one chain that are read.
const MOST_CERTIFICATES: usize = 16;

/// A ServerHello and what followed it in clear.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ServerHello {
    /// The version chosen.
    pub(super) version: u16,
    pub(super) suite: u16,
    pub(super) compression: u8,
    /// Extensions by number.
    pub(super) extensions: Vec<(u16, Vec<u8>)>,
    /// Group of the key exchange: from a HelloRetryRequest, a key share, or a ServerKeyExchange.
    pub(super) group: Option<u16>,
    /// Bits of the Diffie-Hellman prime.
    pub(super) dh_bits: Option<u32>,
    /// Chain in DER, leaf first (before TLS 1.3).
    pub(super) chain: Vec<Vec<u8>>,
    /// Stapled status in DER.
    pub(super) status: Option<Vec<u8>>,
    /// Nothing more comes before the client speaks.
    pub(super) done: bool,
}

impl ServerHello {
    pub(super) fn extension(&self, number: u16) -> Option<&[u8]> {
        self.extensions.iter().find(|(n, _)| *n == number).map(|(_, b)| b.as_slice())
    }
}

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// Not enough bytes to tell.
    Partial,
    /// It is no TLS.
    Foreign,
    /// An alert and its number. RFC 8446 6.
    Alert(u8),
    /// A hello; complete as far as it goes.
    Hello(Box<ServerHello>),
}

/// A reader that never goes past the end.
#[derive(Debug, Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let found = self.0.get(..n)?;
        self.0 = self.0.get(n..)?;
        Some(found)
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        Some(self.bytes(width)?.iter().fold(0, |all, b| all << 8 | usize::from(*b)))
    }

    /// A block with a length of `width` bytes before it.
    fn block(&mut self, width: usize) -> Option<Cursor<'a>> {
        let n = self.number(width)?;
        self.bytes(n).map(Cursor)
    }
}

/// Reads everything that has come so far.
pub(super) fn read(bytes: &[u8]) -> Reply {
    let mut messages = Vec::new();
    let mut rest = Cursor(bytes);
    let mut whole = true;
    while !rest.0.is_empty() {
        let kind = rest.0.first().copied().unwrap_or(0);
        if !(20..=23).contains(&kind) || rest.0.get(1).is_some_and(|major| *major != 3) {
            return if messages.is_empty() { Reply::Foreign } else { break };
        }
        let mut ahead = rest;
        let record = ahead.bytes(3).and_then(|_| ahead.number(2)).filter(|n| *n <= 18_432);
        let Some(body) = record.and_then(|n| ahead.bytes(n)) else {
            if rest.0.len() >= 5 && record.is_none() {
                return Reply::Foreign;
            }
            whole = false;
            break;
        };
        rest = ahead;
        match (kind, body) {
            (21, [_, number]) if messages.is_empty() => return Reply::Alert(*number),
            (22, body) => messages.extend_from_slice(body),
            (21, _) if messages.is_empty() => return Reply::Foreign,
            // From here on it is encrypted, or an end.
            _ => break,
        }
    }
    match hello(&messages) {
        Some(hello) => Reply::Hello(Box::new(hello)),
        None if whole && messages.is_empty() && !bytes.is_empty() => Reply::Foreign,
        None if messages.first().is_some_and(|kind| *kind != 2) => Reply::Foreign,
        None => Reply::Partial,
    }
}

/// The random value that makes a ServerHello a HelloRetryRequest. RFC 8446 4.1.3.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

fn hello(messages: &[u8]) -> Option<ServerHello> {
    let mut rest = Cursor(messages);
    let mut found: Option<ServerHello> = None;
    while let Some(kind) = rest.number(1) {
        let Some(body) = rest.block(3) else { break };
        match (kind, &mut found) {
            (2, none @ None) => *none = Some(server_hello(body)?),
            (_, None) => return None,
            (11, Some(hello)) => hello.chain = certificates(body),
            (12, Some(hello)) => key_exchange(body, hello),
            (14, Some(hello)) => hello.done = true,
            (22, Some(hello)) => {
                let mut body = body;
                // Type 1 is OCSP. RFC 6066 8.
                if body.number(1) == Some(1) {
                    hello.status = body.block(3).map(|b| b.0.to_vec());
                }
            }
            _ => {}
        }
    }
    found
}

fn server_hello(mut body: Cursor<'_>) -> Option<ServerHello> {
    let mut hello = ServerHello { version: body.number(2)? as u16, ..ServerHello::default() };
    let random = body.bytes(32)?;
    body.block(1)?;
    hello.suite = body.number(2)? as u16;
    hello.compression = body.number(1)? as u8;
    if let Some(mut extensions) = body.block(2) {
        while let (Some(number), Some(content)) = (extensions.number(2), extensions.block(2)) {
            hello.extensions.push((number as u16, content.0.to_vec()));
            if hello.extensions.len() >= 64 {
                break;
            }
        }
    }
    // TLS 1.3 says its version in an extension. RFC 8446 4.2.1.
    if let Some([high, low]) = hello.extension(43) {
        hello.version = u16::from_be_bytes([*high, *low]);
    }
    if hello.version >= 0x0304 || random == RETRY {
        hello.done = true;
        hello.group = hello.extension(51).and_then(|b| Cursor(b).number(2)).map(|n| n as u16);
    }
    Some(hello)
}

fn certificates(mut body: Cursor<'_>) -> Vec<Vec<u8>> {
    let mut chain = Vec::new();
    if let Some(mut list) = body.block(3) {
        while let Some(one) = list.block(3) {
            chain.push(one.0.to_vec());
            if chain.len() >= MOST_CERTIFICATES {
                break;
            }
        }
    }
    chain
}

/// Parameters of an ephemeral exchange; which form they have follows from the suite.
fn key_exchange(mut body: Cursor<'_>, hello: &mut ServerHello) {
    let exchange = super::tls_suites::exchange(hello.suite);
    match exchange {
        super::tls_suites::Exchange::EllipticEphemeral => {
            // Curve type 3 is a named curve.
            if body.number(1) == Some(3) {
                hello.group = body.number(2).map(|n| n as u16);
            }
        }
        super::tls_suites::Exchange::FiniteEphemeral => {
            if let Some(prime) = body.block(2) {
                hello.dh_bits = Some(bits(prime.0));
            }
        }
        super::tls_suites::Exchange::Other => {}
    }
}

/// Length of a big-endian number in bits.
pub(super) fn bits(number: &[u8]) -> u32 {
    let significant: Vec<u8> = number.iter().copied().skip_while(|b| *b == 0).collect();
    let top = significant.first().map_or(0, |b| 8 - b.leading_zeros());
    (significant.len().saturating_sub(1) as u32) * 8 + top
}

/// Kinds of an SSL 2.0 SERVER-HELLO; none where the answer is something else.
pub(super) fn ssl2(bytes: &[u8]) -> Option<Vec<[u8; 3]>> {
    let mut rest = Cursor(bytes);
    let length = rest.number(2).filter(|n| n & 0x8000 != 0)? & 0x7fff;
    let mut body = Cursor(rest.bytes(length)?);
    // Message 4, session id hit, certificate type, version 2.
    let head = body.bytes(5)?;
    if head.first() != Some(&4) || head.get(3..) != Some(&[0, 2]) {
        return None;
    }
    let (certificate, kinds) = (body.number(2)?, body.number(2)?);
    body.number(2)?;
    body.bytes(certificate)?;
    Some(body.bytes(kinds)?.chunks_exact(3).filter_map(|k| k.try_into().ok()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read(&bytes);
            let _ = ssl2(&bytes);
            let framed = [&[22, 3, 3][..], &(bytes.len() as u16).to_be_bytes(), &bytes].concat();
            let _ = read(&framed);
        }
    }
}
