//! Hash maps for the large tables of an inventory: tens of lookups an asset, where the standard SipHash is a quarter of
//! the whole time of reading 65,536 assets. Seeded at random in each process; what is hashed are strings that the
//! owner's own cloud gave us, and the limits on their number hold before the maps are filled.

use foldhash::fast::RandomState;

/// A map with a fast hash.
pub type FastMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A set with a fast hash.
pub type FastSet<K> = std::collections::HashSet<K, RandomState>;
