//! What a script may do to a plan: narrow it, order it, slow it down, annotate it. Never widen it: hooks are asked only
//! about assets that would be submitted anyway, and their answers can only take away.

use crate::inventory::snapshot::Snapshot;

/// Which functions a hook has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Provides {
    /// `fn filter(asset) -> bool`.
    pub filter: bool,
    /// `fn order(asset) -> int`, lower first.
    pub order: bool,
    /// `fn rate(asset) -> int`, packets a second; only lowers.
    pub rate: bool,
    /// `fn annotate(asset) -> map`.
    pub annotate: bool,
}

/// Why a hook gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HookError(pub String);

/// A hook over one snapshot.
pub trait AssetHook: Send + Sync {
    /// Which functions it has.
    fn provides(&self) -> Provides;
    /// Whether the asset stays.
    fn filter(&self, snapshot: &Snapshot, row: u32) -> Result<bool, HookError>;
    /// Its place in the order, lower first.
    fn order(&self, snapshot: &Snapshot, row: u32) -> Result<i64, HookError>;
    /// The most packets a second it may get.
    fn rate(&self, snapshot: &Snapshot, row: u32) -> Result<i64, HookError>;
    /// Facts to carry into the report.
    fn annotate(&self, snapshot: &Snapshot, row: u32) -> Result<Vec<(String, String)>, HookError>;
}

/// What a hook said about an asset that it let pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Narrowed {
    /// Its place, lower first.
    pub(super) place: Option<i64>,
    /// Packets a second, at least one: below there would be no scan, and nobody would see that.
    pub(super) rate: Option<u32>,
    /// Facts for the report.
    pub(super) notes: Vec<(String, String)>,
}

/// Asks all functions that a hook has about one asset; none where it takes the asset out. An asset is judged as a
/// whole: where `rate` fails, it must not be scanned at the full rate.
pub(super) fn ask(hook: &dyn AssetHook, snapshot: &Snapshot, row: u32) -> Result<Option<Narrowed>, HookError> {
    let has = hook.provides();
    if has.filter && !hook.filter(snapshot, row)? {
        return Ok(None);
    }
    let mut said = Narrowed::default();
    if has.order {
        said.place = Some(hook.order(snapshot, row)?);
    }
    if has.rate {
        said.rate = Some(u32::try_from(hook.rate(snapshot, row)?.max(1)).unwrap_or(u32::MAX));
    }
    if has.annotate {
        said.notes = hook.annotate(snapshot, row)?;
    }
    Ok(Some(said))
}
