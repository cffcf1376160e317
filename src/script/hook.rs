//! Hooks: a script compiled once, bound to an inventory, asked about its assets from any thread.

use std::sync::Arc;

use jiff::Timestamp;
use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, Map, ParseError, Position, Scope};

use super::asset::{AssetValue, World, check_query};
use super::engine::{engine, start};
use super::header;
use super::lexemes::{Piece, pieces};
use crate::base::clock::Clock;
use crate::base::diagnostic::{Diagnostic, has_errors};
use crate::base::limits::Limits;
use crate::base::source::{FileId, Span};
use crate::inventory::snapshot::Snapshot;
use crate::lang::query::predicate::Predicate;
use crate::lang::query::tags::TagMembership;
use crate::plan::hook::{AssetHook, HookError, Provides};

pub use super::header::Header;

/// The functions that make a script a hook.
const FUNCTIONS: [&str; 4] = ["filter", "order", "rate", "annotate"];

/// A script without errors.
pub struct HookScript {
    name: Arc<str>,
    header: Header,
    ast: AST,
    provides: Provides,
    /// Queries that stand in the script as they are.
    queries: Vec<(String, Predicate)>,
    limits: Limits,
    /// What may be wrong with it; no errors.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles a script and checks it: header, functions, names, and the queries that stand in it. `name` is shown in
/// failures, such as `owner.rhai`.
pub fn load(text: &str, name: &str, file: FileId, limits: &Limits) -> Result<HookScript, Vec<Diagnostic>> {
    if text.len() as u64 > limits.script_bytes {
        let message = format!("the script has {} bytes; the limit is {}", text.len(), limits.script_bytes);
        let found = Diagnostic::error("P0603", message, Span::new(file, 0, 0), "").help("split it or shorten it");
        return Err(vec![found]);
    }
    let (header, mut found) = header::read(text, file);
    if header.stage == "check" {
        let message = "a script of the stage `check` is no hook";
        let line = Span::new(file, 0, text.lines().next().map_or(0, str::len) as u32);
        found.push(Diagnostic::error("P0602", message, line, "").help("write `// stage: hook`"));
    }
    let queries = literal_queries(text, file, limits, &mut found);
    let ast = match engine(limits, None).compile(text) {
        Ok(ast) => ast,
        Err(error) => {
            found.push(compile_error(text, file, &error));
            return Err(found);
        }
    };
    let provides = functions(&ast, text, file, &mut found);
    if has_errors(&found) {
        return Err(found);
    }
    Ok(HookScript { name: name.into(), header, ast, provides, queries, limits: limits.clone(), warnings: found })
}

/// Queries given to `matches` as plain text, checked.
fn literal_queries(text: &str, file: FileId, limits: &Limits, found: &mut Vec<Diagnostic>) -> Vec<(String, Predicate)> {
    let mut queries: Vec<(String, Predicate)> = Vec::new();
    for window in pieces(text).windows(4) {
        let [(Piece::Name("matches"), _), (Piece::Other('('), _), (Piece::Text { inner, plain: true }, at), (next, _)] =
            window
        else {
            continue;
        };
        if *next != Piece::Other(')') || queries.iter().any(|(q, _)| q == inner) {
            continue;
        }
        let (predicate, told) = check_query(inner, file, at.start as u32 + 1, limits);
        found.extend(told);
        queries.extend(predicate.map(|p| ((*inner).to_owned(), p)));
    }
    queries
}

/// Where a function's name stands.
pub(super) fn place_of_function(text: &str, file: FileId, name: &str) -> Span {
    let pieces = pieces(text);
    let at = pieces.windows(2).find_map(|pair| match pair {
        [(Piece::Name("fn"), _), (Piece::Name(n), range)] if *n == name => Some(range.clone()),
        _ => None,
    });
    at.map_or(Span::new(file, 0, 0), |r| Span::new(file, r.start as u32, r.end as u32))
}

fn functions(ast: &AST, text: &str, file: FileId, found: &mut Vec<Diagnostic>) -> Provides {
    let mut has = [false; 4];
    for function in ast.iter_functions() {
        let Some(slot) = FUNCTIONS.iter().position(|f| *f == function.name).and_then(|i| has.get_mut(i)) else {
            continue;
        };
        if function.params.len() == 1 {
            *slot = true;
        } else {
            let message = format!(
                "`{}` takes {} arguments; a hook's functions take the asset",
                function.name,
                function.params.len()
            );
            let help = format!("write `fn {}(asset)`; name other functions differently", function.name);
            found
                .push(Diagnostic::error("P0605", message, place_of_function(text, file, function.name), "").help(help));
        }
    }
    let [filter, order, rate, annotate] = has;
    if !has.contains(&true) && !has_errors(found) {
        let end = Span::new(file, 0, text.lines().next().map_or(0, str::len) as u32);
        found.push(
            Diagnostic::error("P0604", "the script has none of a hook's functions", end, "")
                .help("write `fn filter(asset)`, `fn order(asset)`, `fn rate(asset)` or `fn annotate(asset)`"),
        );
    }
    Provides { filter, order, rate, annotate }
}

/// The compiler's words with their place.
pub(super) fn compile_error(text: &str, file: FileId, error: &ParseError) -> Diagnostic {
    let at = offset(text, error.position()) as u32;
    let width = text.get(at as usize..).and_then(|r| r.chars().next()).filter(|c| *c != '\n').map_or(0, char::len_utf8);
    let words = error.err_type().to_string();
    let mut message = lower_first(words.trim_end_matches('.'));
    if message.is_empty() {
        message = "the script does not compile".into();
    }
    Diagnostic::error("P0606", message, Span::new(file, at, at + width as u32), "rhai stops here").help(
        "hooks are written in rhai without `eval`, `import`, clock, files and network; every variable is declared with `let`",
    )
}

/// Byte offset of a place; rhai counts lines and characters from one.
fn offset(text: &str, position: Position) -> usize {
    let Some(line) = position.line() else { return text.len() };
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = text.get(start..).unwrap_or("");
    let column = position.position().unwrap_or(1).saturating_sub(1);
    start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

impl HookScript {
    /// What its header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Which functions it has.
    pub fn provides(&self) -> Provides {
        self.provides
    }

    /// Binds it to an inventory. `now` is what the word means in its queries; `clock` only measures how long calls take.
    /// The queries that stand in the script are answered for all assets here.
    pub fn bind(
        &self,
        snapshot: Arc<Snapshot>,
        tags: Arc<TagMembership>,
        now: Timestamp,
        clock: Arc<dyn Clock>,
    ) -> BoundHook {
        let world = Arc::new(World::new(snapshot, tags, now, Arc::clone(&clock), &self.limits));
        for (text, predicate) in &self.queries {
            world.prepare(text, predicate);
        }
        BoundHook {
            name: Arc::clone(&self.name),
            engine: engine(&self.limits, Some(Arc::clone(&clock))),
            ast: self.ast.clone(),
            provides: self.provides,
            limits: self.limits.clone(),
            clock,
            world,
        }
    }
}

/// A hook over one inventory.
pub struct BoundHook {
    name: Arc<str>,
    engine: Engine,
    ast: AST,
    provides: Provides,
    limits: Limits,
    clock: Arc<dyn Clock>,
    world: Arc<World>,
}

impl BoundHook {
    fn call(&self, function: &str, snapshot: &Snapshot, row: u32) -> Result<Dynamic, HookError> {
        if snapshot.id() != self.world.snapshot().id() {
            return Err(HookError(format!(
                "the hook is bound to {}, not to {}",
                self.world.snapshot().id(),
                snapshot.id()
            )));
        }
        start(&*self.clock, &self.limits);
        let asset = AssetValue { world: Arc::clone(&self.world), row };
        let options = CallFnOptions::new().eval_ast(false);
        let result: Result<Dynamic, Box<EvalAltResult>> =
            self.engine.call_fn_with_options(options, &mut Scope::new(), &self.ast, function, (asset,));
        result.map_err(|error| self.failure(function, &error))
    }

    fn failure(&self, function: &str, error: &EvalAltResult) -> HookError {
        HookError(words_of(&self.name, function, error))
    }

    fn wrong(&self, function: &str, wanted: &str, got: &Dynamic) -> HookError {
        let got = if got.is_unit() { "nothing".into() } else { format!("a value of type {}", got.type_name()) };
        HookError(format!("{}: `{function}` must return {wanted}, but returned {got}", self.name))
    }

    fn int(&self, function: &str, snapshot: &Snapshot, row: u32) -> Result<i64, HookError> {
        let value = self.call(function, snapshot, row)?;
        value.as_int().map_err(|_| self.wrong(function, "a whole number", &value))
    }
}

/// What went wrong in a call, with its place.
pub(super) fn words_of(script: &str, function: &str, error: &EvalAltResult) -> String {
    let mut inner = error;
    while let EvalAltResult::ErrorInFunctionCall(_, _, next, _) = inner {
        inner = next;
    }
    let words = match inner {
        EvalAltResult::ErrorTerminated(why, _) => why.to_string(),
        EvalAltResult::ErrorRuntime(why, _) if why.is_string() => why.to_string(),
        EvalAltResult::ErrorTooManyOperations(_) => "it uses more operations than a call may".into(),
        other => {
            let mut bare = other.to_string();
            if let Some(cut) = bare.rfind(" (line ") {
                bare.truncate(cut);
            }
            lower_first(&bare)
        }
    };
    let mut place = script.to_owned();
    if let (Some(line), column) = (inner.position().line(), inner.position().position().unwrap_or(1)) {
        place = format!("{place}:{line}:{column}");
    }
    format!("{place}: `{function}` failed: {words}")
}

/// A value of an annotation; none for nothing.
fn note(value: &Dynamic) -> Option<String> {
    if value.is_unit() {
        return None;
    }
    match value.as_array_ref() {
        Ok(items) => {
            Some(items.iter().filter_map(|v| (!v.is_array()).then(|| note(v)).flatten()).collect::<Vec<_>>().join(", "))
        }
        Err(_) => Some(value.to_string()),
    }
}

impl AssetHook for BoundHook {
    fn provides(&self) -> Provides {
        self.provides
    }

    fn filter(&self, snapshot: &Snapshot, row: u32) -> Result<bool, HookError> {
        let value = self.call("filter", snapshot, row)?;
        value.as_bool().map_err(|_| self.wrong("filter", "true or false", &value))
    }

    fn order(&self, snapshot: &Snapshot, row: u32) -> Result<i64, HookError> {
        self.int("order", snapshot, row)
    }

    fn rate(&self, snapshot: &Snapshot, row: u32) -> Result<i64, HookError> {
        self.int("rate", snapshot, row)
    }

    fn annotate(&self, snapshot: &Snapshot, row: u32) -> Result<Vec<(String, String)>, HookError> {
        let value = self.call("annotate", snapshot, row)?;
        let Some(map) = value.read_lock::<Map>() else { return Err(self.wrong("annotate", "a map", &value)) };
        Ok(map.iter().filter_map(|(k, v)| Some((k.to_string(), note(v)?))).collect())
    }
}
