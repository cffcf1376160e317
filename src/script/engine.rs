//! The engine: built up from nothing, so that a script has no clock, no randomness, no files, no network, no `eval` and
//! no imports; and every limit is set.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use rhai::module_resolvers::DummyModuleResolver;
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString};

use super::asset::AssetValue;
use crate::base::clock::Clock;
use crate::base::limits::Limits;

/// Operations between two looks at the clock.
const OPERATIONS_A_LOOK: u64 = 128;
/// Functions of one script.
const MAX_FUNCTIONS: usize = 256;

thread_local! {
    /// What is left to the call that runs on this thread.
    static BUDGET: Cell<Budget> = const { Cell::new(Budget { operations: 0, deadline: Duration::ZERO }) };
}

/// Counted here and not only by the engine, which forgets the operations of closures that sort, map and filter call.
#[derive(Clone, Copy)]
struct Budget {
    operations: u64,
    deadline: Duration,
}

/// Gives the calls on this thread their budget, from now.
pub(super) fn start(clock: &dyn Clock, limits: &Limits) {
    let deadline = clock.elapsed().saturating_add(limits.script_wall);
    BUDGET.set(Budget { operations: limits.script_operations, deadline });
}

/// Work of ours within a call, such as a query over the whole inventory, is not the script's time.
pub(super) fn own_work<T>(clock: &dyn Clock, work: impl FnOnce() -> T) -> T {
    let before = clock.elapsed();
    let result = work();
    let spent = clock.elapsed().saturating_sub(before);
    let budget = BUDGET.get();
    BUDGET.set(Budget { deadline: budget.deadline.saturating_add(spent), ..budget });
    result
}

/// One operation; says why the call has to end.
fn tick(clock: &dyn Clock) -> Option<Dynamic> {
    let budget = BUDGET.get();
    let Some(left) = budget.operations.checked_sub(1) else {
        return Some("it uses more operations than a call may".into());
    };
    BUDGET.set(Budget { operations: left, ..budget });
    (left.is_multiple_of(OPERATIONS_A_LOOK) && clock.elapsed() > budget.deadline)
        .then(|| "it takes longer than a call may".into())
}

/// An engine that only compiles, or with a clock one that runs scripts. It serves all threads.
pub(super) fn engine(limits: &Limits, clock: Option<Arc<dyn Clock>>) -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    engine.set_module_resolver(DummyModuleResolver::new());
    engine.disable_symbol("eval");
    engine.disable_symbol("import");
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
    engine.set_max_functions(MAX_FUNCTIONS);
    engine.set_max_modules(0);
    if let Some(clock) = clock {
        engine.on_progress(move |_| tick(&*clock));
    }
    bounded_replace(&mut engine, limits.script_string_bytes);
    engine.register_type_with_name::<AssetValue>("asset");
    engine.register_get("id", AssetValue::id);
    engine.register_get("name", AssetValue::name);
    engine.register_get("provider", AssetValue::provider);
    engine.register_get("connector", AssetValue::connector);
    engine.register_indexer_get(AssetValue::token);
    engine.register_fn("tag", AssetValue::tag);
    engine.register_fn("matches", AssetValue::matches);
    engine
}

type Replaced = Result<(), Box<EvalAltResult>>;

/// The library's `replace` checks the length of its result only after it has been made, which can be gigabytes.
fn bounded_replace(engine: &mut Engine, most: usize) {
    let replace = move |text: &mut ImmutableString, from: &str, to: &str| -> Replaced {
        let grown = text.matches(from).count().saturating_mul(to.len());
        if grown.saturating_add(text.len()) > most {
            return Err(format!("the text after `replace` could be longer than {most} bytes").into());
        }
        *text = text.replace(from, to).into();
        Ok(())
    };
    engine.register_fn("replace", replace);
    engine.register_fn("replace", move |text: &mut ImmutableString, from: &str, to: char| {
        replace(text, from, to.encode_utf8(&mut [0; 4]))
    });
    engine.register_fn("replace", move |text: &mut ImmutableString, from: char, to: &str| {
        replace(text, from.encode_utf8(&mut [0; 4]), to)
    });
    engine.register_fn("replace", move |text: &mut ImmutableString, from: char, to: char| {
        replace(text, from.encode_utf8(&mut [0; 4]), to.encode_utf8(&mut [0; 4]))
    });
}
