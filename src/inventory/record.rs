//! The byte forms inside a snapshot file: little-endian numbers and counted text, written plainly and read through
//! checks that cannot panic.

use std::net::IpAddr;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::asset::{Address, AddressOrigin, AddressScope, Interface};

/// Appends little-endian values.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn u8(&mut self, v: u8) {
        self.bytes.push(v);
    }

    pub(super) fn u32(&mut self, v: u32) {
        self.bytes.extend_from_slice(&v.to_le_bytes());
    }

    pub(super) fn u64(&mut self, v: u64) {
        self.bytes.extend_from_slice(&v.to_le_bytes());
    }

    pub(super) fn i64(&mut self, v: i64) {
        self.bytes.extend_from_slice(&v.to_le_bytes());
    }

    /// Text with its length; none is the length `u32::MAX`.
    pub(super) fn text(&mut self, text: Option<&str>) {
        match text {
            None => self.u32(u32::MAX),
            Some(text) => {
                self.u32(text.len() as u32);
                self.bytes.extend_from_slice(text.as_bytes());
            }
        }
    }

    pub(super) fn u32s(&mut self, values: &[u32]) {
        self.u64(values.len() as u64);
        self.bytes.reserve(values.len() * 4);
        for v in values {
            self.bytes.extend_from_slice(&v.to_le_bytes());
        }
    }

    pub(super) fn bitmap(&mut self, rows: &RoaringBitmap) {
        self.u64(rows.serialized_size() as u64);
        // Writing into memory cannot fail.
        let _ = rows.serialize_into(&mut self.bytes);
    }

    pub(super) fn address(&mut self, addr: IpAddr) {
        match addr {
            IpAddr::V4(a) => {
                self.u8(4);
                self.bytes.extend_from_slice(&a.octets());
            }
            IpAddr::V6(a) => {
                self.u8(6);
                self.bytes.extend_from_slice(&a.octets());
            }
        }
    }
}

/// Reads what [`Writer`] wrote; every method gives none past the end or on bytes that make no sense.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.bytes.split_at_checked(n)?;
        self.bytes = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Option<Option<&'a str>> {
        match self.u32()? {
            u32::MAX => Some(None),
            n => std::str::from_utf8(self.take(n as usize)?).ok().map(Some),
        }
    }

    /// A counted array; the count is checked against what is left before anything is allocated.
    pub(super) fn u32s(&mut self) -> Option<Vec<u32>> {
        let n = usize::try_from(self.u64()?).ok()?;
        let bytes = self.take(n.checked_mul(4)?)?;
        let (words, _) = bytes.as_chunks::<4>();
        Some(words.iter().map(|w| u32::from_le_bytes(*w)).collect())
    }

    pub(super) fn bitmap(&mut self) -> Option<RoaringBitmap> {
        let n = usize::try_from(self.u64()?).ok()?;
        RoaringBitmap::deserialize_from(self.take(n)?).ok()
    }

    pub(super) fn address(&mut self) -> Option<IpAddr> {
        match self.u8()? {
            4 => self.array::<4>().map(IpAddr::from),
            6 => self.array::<16>().map(IpAddr::from),
            _ => None,
        }
    }
}

const SCOPES: [AddressScope; 3] = [AddressScope::Private, AddressScope::Public, AddressScope::Unproven];
const ORIGINS: [AddressOrigin; 4] =
    [AddressOrigin::Primary, AddressOrigin::Secondary, AddressOrigin::Automatic, AddressOrigin::Elastic];

/// Writes the interfaces of one asset.
pub(super) fn write_interfaces(out: &mut Writer, interfaces: &[Interface]) {
    out.u32(interfaces.len() as u32);
    for interface in interfaces {
        out.text(Some(&interface.id));
        out.text(interface.network.as_deref());
        out.u32(interface.addresses.len() as u32);
        for a in &interface.addresses {
            out.address(a.addr);
            out.u8(SCOPES.iter().position(|s| *s == a.scope).unwrap_or(0) as u8);
            out.u8(ORIGINS.iter().position(|o| *o == a.origin).unwrap_or(0) as u8);
            out.text(a.dns.as_deref());
        }
    }
}

/// Reads the interfaces of one asset.
pub(super) fn read_interfaces(reader: &mut Reader<'_>) -> Option<Vec<Interface>> {
    let n = reader.u32()?;
    let mut interfaces = Vec::new();
    for _ in 0..n {
        let id: Arc<str> = reader.text()??.into();
        let network = reader.text()?.map(Arc::from);
        let n = reader.u32()?;
        let mut addresses = Vec::new();
        for _ in 0..n {
            addresses.push(Address {
                addr: reader.address()?,
                scope: *SCOPES.get(usize::from(reader.u8()?))?,
                origin: *ORIGINS.get(usize::from(reader.u8()?))?,
                dns: reader.text()?.map(Arc::from),
            });
        }
        interfaces.push(Interface { id, network, addresses });
    }
    Some(interfaces)
}
