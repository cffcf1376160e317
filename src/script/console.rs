//! One script expression typed by a person, with the same limits as a hook.

use std::sync::Arc;

use jiff::Timestamp;
use rhai::{Dynamic, EvalAltResult, ImmutableString};

use super::asset::{AssetValue, World};
use super::engine::{engine, start};
use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::inventory::snapshot::Snapshot;
use crate::lang::query::tags::TagMembership;

/// Evaluates an expression; `asset("id")` gives an asset. The answer or the error, as text.
pub fn evaluate(
    text: &str,
    snapshot: Arc<Snapshot>,
    tags: Arc<TagMembership>,
    now: Timestamp,
    limits: &Limits,
    clock: Arc<dyn Clock>,
) -> Result<String, String> {
    let mut engine = engine(limits, Some(Arc::clone(&clock)));
    let world = Arc::new(World::new(snapshot, tags, now, Arc::clone(&clock), limits));
    engine.register_fn("asset", move |name: ImmutableString| -> Result<AssetValue, Box<EvalAltResult>> {
        let snapshot = world.snapshot();
        let row = snapshot.row_of(&name).or_else(|| snapshot.rows_named(&name).first().copied());
        match row {
            Some(row) => Ok(AssetValue { world: Arc::clone(&world), row }),
            None => Err(format!("there is no asset `{name}`").into()),
        }
    });
    start(clock.as_ref(), limits);
    let answer: Result<Dynamic, _> = engine.eval(text);
    answer.map(|v| v.to_string()).map_err(|e| e.to_string())
}
