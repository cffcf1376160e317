//! A hash map for addresses that the plan names: a few multiplications a look-up, where the standard library's keyed
//! hash would cost more than the rest of the work on a packet. Its keys come from the inventory, never from replies.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

/// Multiply and fold.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value ^ 0x9e37_79b9_7f4a_7c15) * 0xd1b5_4a32_d192_ed03;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }

    fn write_u128(&mut self, value: u128) {
        self.write_u64(value as u64);
        self.write_u64((value >> 64) as u64);
    }
}

/// Values by address, each family in a table of its own.
#[derive(Debug, Clone)]
pub(super) struct ByAddress<T> {
    v4: HashMap<u32, T, BuildHasherDefault<Fold>>,
    v6: HashMap<u128, T, BuildHasherDefault<Fold>>,
}

impl<T> Default for ByAddress<T> {
    fn default() -> Self {
        Self { v4: HashMap::default(), v6: HashMap::default() }
    }
}

impl<T> ByAddress<T> {
    /// The value of an address.
    pub(super) fn get(&self, addr: IpAddr) -> Option<&T> {
        match addr {
            IpAddr::V4(a) => self.v4.get(&u32::from(a)),
            IpAddr::V6(a) => self.v6.get(&u128::from(a)),
        }
    }

    /// Sets the value of an address.
    pub(super) fn insert(&mut self, addr: IpAddr, value: T) {
        match addr {
            IpAddr::V4(a) => self.v4.insert(u32::from(a), value),
            IpAddr::V6(a) => self.v6.insert(u128::from(a), value),
        };
    }
}

impl<T> FromIterator<(IpAddr, T)> for ByAddress<T> {
    fn from_iter<I: IntoIterator<Item = (IpAddr, T)>>(values: I) -> Self {
        let mut map = Self::default();
        values.into_iter().for_each(|(addr, value)| map.insert(addr, value));
        map
    }
}
