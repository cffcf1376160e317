//! The outside world as arguments: clock, resolver, progress, the wish to stop, randomness, limits.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop};
use crate::connector::live::Live;
use crate::connector::live::open::{OpenError, Opening};

/// Makes a live connector; tests put a scripted provider here.
pub type OpenLive = Arc<dyn Fn(&Opening<'_>) -> Result<Box<dyn Live>, OpenError> + Send + Sync>;

/// What every stage is handed. Tests put their own things here.
#[derive(Clone)]
pub struct Env {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: Limits,
    /// Where progress goes.
    pub progress: Arc<dyn Progress>,
    /// Raised by Ctrl-C.
    pub stop: Arc<Stop>,
    /// Seed of the probe order and of the reply cookies.
    pub seed: u64,
    /// Without it names are not resolved: plans use the inventory's addresses alone.
    pub resolve_names: bool,
    /// The state folder.
    pub state: PathBuf,
    /// How live connectors are opened.
    pub live: OpenLive,
}

/// A seed from the operating system's entropy, by way of the hasher that the standard library keys with it.
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
