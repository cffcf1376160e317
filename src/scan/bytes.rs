//! Small records as bytes and back, for the ledger and for checkpoints: little-endian numbers, lengths before lists,
//! a checksum at the end. Reading never trusts a length.

use std::io::{Read, Write};
use std::net::IpAddr;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// Writes.
#[derive(Debug, Default)]
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    /// A length, then the bytes.
    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.u64(value.len() as u64);
        self.0.extend(value);
    }

    pub(super) fn addr(&mut self, addr: IpAddr) {
        match addr {
            IpAddr::V4(a) => {
                self.u8(4);
                self.0.extend(a.octets());
            }
            IpAddr::V6(a) => {
                self.u8(6);
                self.0.extend(a.octets());
            }
        }
    }
}

/// Reads; none where the bytes end early or make no sense.
#[derive(Debug, Clone, Copy)]
pub(super) struct In<'a>(pub(super) &'a [u8]);

impl<'a> In<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[b]| b)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.u64()?).ok()?;
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }

    /// A count of records of at least so many bytes; none where so many cannot follow.
    pub(super) fn count(&mut self, record_bytes: usize) -> Option<usize> {
        let count = usize::try_from(self.u64()?).ok()?;
        (count.checked_mul(record_bytes.max(1))? <= self.0.len()).then_some(count)
    }

    pub(super) fn addr(&mut self) -> Option<IpAddr> {
        match self.u8()? {
            4 => self.take::<4>().map(IpAddr::from),
            6 => self.take::<16>().map(IpAddr::from),
            _ => None,
        }
    }
}

/// Packs bytes that repeat themselves. RFC 1951.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
    // INVARIANT: writing to a vector does not fail.
    let _ = packer.write_all(bytes);
    packer.finish().unwrap_or_default()
}

/// Unpacks exactly so many bytes.
pub(super) fn unpack(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    DeflateDecoder::new(packed).take(len as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() == len).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_come_back(a in any::<u16>(), b in any::<u64>(), list in proptest::collection::vec(any::<u8>(), 0..50), v6 in any::<[u8; 16]>()) {
            let mut out = Out::default();
            out.u16(a);
            out.bytes(&pack(&list));
            out.addr(IpAddr::from(v6));
            out.u64(b);
            let mut read = In(&out.0);
            prop_assert_eq!(read.u16(), Some(a));
            prop_assert_eq!(unpack(read.bytes().unwrap(), list.len()), Some(list));
            prop_assert_eq!((read.addr(), read.u64(), read.u8()), (Some(IpAddr::from(v6)), Some(b), None));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut read = In(&bytes);
            let _ = (read.count(4), read.addr(), read.bytes(), read.u32());
            let _ = unpack(&bytes, 100);
        }
    }
}
