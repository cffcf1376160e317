//! The engine: built up from nothing, so that a script has no clock, no randomness, no files, no network, no `eval`, no
//! imports, and every limit is set. reference crates.md, section 2.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use rhai::module_resolvers::DummyModuleResolver;
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage, BasicStringPackage,
    LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine};

use super::asset::AssetValue;
use crate::base::clock::Clock;
use crate::base::limits::Limits;

thread_local! {
    /// When the call that runs on this thread has to be over.
    static DEADLINE: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Operations between two looks at the clock.
const OPERATIONS_A_LOOK: u64 = 256;

/// Runs a call with a deadline; the engine's progress callback ends it.
pub(super) fn with_deadline<T>(clock: &dyn Clock, wall: Duration, call: impl FnOnce() -> T) -> T {
    DEADLINE.with(|d| d.set(Some(clock.elapsed() + wall)));
    let result = call();
    DEADLINE.with(|d| d.set(None));
    result
}

/// An engine for hooks. One serves all scripts and threads.
pub(super) fn engine(limits: &Limits, clock: Arc<dyn Clock>) -> Arc<Engine> {
    Arc::new(fresh(limits, clock))
}

/// An engine that may still be added to.
pub(super) fn fresh(limits: &Limits, clock: Arc<dyn Clock>) -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    engine.set_module_resolver(DummyModuleResolver::new());
    engine.disable_symbol("eval");
    engine.on_print(|_| {});
    engine.on_debug(|_, _, _| {});
    engine.set_strict_variables(true);
    engine.set_max_operations(limits.script_operations);
    engine.set_max_call_levels(limits.script_call_depth);
    engine.set_max_expr_depths(limits.script_expr_depth, limits.script_expr_depth);
    engine.set_max_string_size(limits.script_string_bytes);
    engine.set_max_array_size(limits.script_array_items);
    engine.set_max_map_size(limits.script_map_items);
    engine.set_max_variables(limits.script_variables);
    engine.set_max_functions(256);
    engine.set_max_modules(0);
    engine.on_progress(move |operations| {
        if !operations.is_multiple_of(OPERATIONS_A_LOOK) {
            return None;
        }
        let late = DEADLINE.with(|d| d.get()).is_some_and(|deadline| clock.elapsed() > deadline);
        late.then(|| Dynamic::from("the time limit"))
    });
    engine.register_type_with_name::<AssetValue>("asset");
    engine.register_get("id", AssetValue::id);
    engine.register_get("name", AssetValue::name);
    engine.register_indexer_get(AssetValue::token);
    engine.register_fn("matches", AssetValue::matches);
    engine
}
