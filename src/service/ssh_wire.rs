//! SSH packets and the types inside them, read with bounds. RFC 4251 5, RFC 4253 6 and 7.1.

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
