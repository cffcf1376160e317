//! Plan hooks written in rhai: compiled once, bound to a snapshot, called for each asset.

use std::sync::Arc;

use jiff::Timestamp;
use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, Scope};

use super::asset::{AssetValue, World};
use super::engine::{engine, with_deadline};
use super::header;
use crate::base::clock::Clock;
use crate::base::diagnostic::Diagnostic;
use crate::base::limits::Limits;
use crate::base::source::{FileId, Span};
use crate::inventory::snapshot::Snapshot;
use crate::lang::query::tags::TagMembership;
use crate::plan::hook::{AssetHook, HookError, Provides};

/// A compiled script.
pub struct HookScript {
    engine: Arc<Engine>,
    ast: AST,
    provides: Provides,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

/// Compiles a script; the diagnostics point into its text.
pub fn load(text: &str, file: FileId, limits: &Limits, clock: Arc<dyn Clock>) -> Result<HookScript, Vec<Diagnostic>> {
    let mut found = header::check(text, file);
    let engine = engine(limits, Arc::clone(&clock));
    let ast = match engine.compile(text) {
        Ok(ast) => ast,
        Err(error) => {
            let position = error.position();
            let at = byte_of(text, position.line(), position.position());
            let span = Span::new(file, at, at + 1);
            let message = format!("the script does not compile: {}", error.err_type());
            found.push(Diagnostic::error("P0603", message, span, ""));
            return Err(found);
        }
    };
    let has = |name: &str| ast.iter_functions().any(|f| f.name == name && f.params.len() == 1);
    let provides =
        Provides { filter: has("filter"), order: has("order"), rate: has("rate"), annotate: has("annotate") };
    if provides == Provides::default() {
        let top = Span::new(file, 0, 0);
        found.push(
            Diagnostic::error("P0604", "the script has none of the functions of a hook", top, "")
                .help("write fn filter(asset), fn order(asset), fn rate(asset) or fn annotate(asset)"),
        );
    }
    if found.is_empty() { Ok(HookScript { engine, ast, provides, clock, limits: limits.clone() }) } else { Err(found) }
}

/// The byte at a line and column (both from one, columns in characters).
fn byte_of(text: &str, line: Option<usize>, column: Option<usize>) -> u32 {
    let line = line.unwrap_or(1).max(1);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let inside = text.get(start..).unwrap_or("");
    let column = column.unwrap_or(1).max(1) - 1;
    (start + inside.char_indices().nth(column).map_or(0, |(at, _)| at)) as u32
}

impl HookScript {
    /// Which functions it has.
    pub fn provides(&self) -> Provides {
        self.provides
    }

    /// Binds it to what it may look at.
    pub fn bind(&self, snapshot: Arc<Snapshot>, tags: Arc<TagMembership>, now: Timestamp) -> BoundHook<'_> {
        let world = World { snapshot, tags, now, limits: self.limits.clone(), queries: std::sync::Mutex::default() };
        BoundHook { script: self, world: Arc::new(world) }
    }
}

/// A hook over one snapshot.
pub struct BoundHook<'a> {
    script: &'a HookScript,
    world: Arc<World>,
}

impl BoundHook<'_> {
    fn call(&self, function: &str, row: u32) -> Result<Dynamic, HookError> {
        let asset = AssetValue { world: Arc::clone(&self.world), row };
        let options = CallFnOptions::new().eval_ast(false);
        let mut scope = Scope::new();
        let result: Result<Dynamic, Box<EvalAltResult>> =
            with_deadline(self.script.clock.as_ref(), self.script.limits.script_wall, || {
                self.script.engine.call_fn_with_options(options, &mut scope, &self.script.ast, function, (asset,))
            });
        result.map_err(|error| HookError(in_words(&error)))
    }

    fn typed<T: Clone + Send + Sync + 'static>(&self, function: &str, row: u32, wanted: &str) -> Result<T, HookError> {
        let value = self.call(function, row)?;
        let ty = value.type_name();
        value.try_cast::<T>().ok_or_else(|| HookError(format!("`{function}` returned {ty}, not {wanted}")))
    }
}

/// rhai's error without its inner call chain.
fn in_words(error: &EvalAltResult) -> String {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => in_words(inner),
        EvalAltResult::ErrorTerminated(..) => "it ran longer than its time limit".into(),
        EvalAltResult::ErrorTooManyOperations(_) => "it did more operations than its limit".into(),
        other => other.to_string(),
    }
}

impl AssetHook for BoundHook<'_> {
    fn provides(&self) -> Provides {
        self.script.provides
    }

    fn filter(&self, row: u32) -> Result<bool, HookError> {
        self.typed("filter", row, "true or false")
    }

    fn order(&self, row: u32) -> Result<i64, HookError> {
        self.typed("order", row, "a whole number")
    }

    fn rate(&self, row: u32) -> Result<i64, HookError> {
        self.typed("rate", row, "a whole number")
    }

    fn annotate(&self, row: u32) -> Result<Vec<(String, String)>, HookError> {
        let map: rhai::Map = self.typed("annotate", row, "a map")?;
        Ok(map.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::inventory::synthetic;

    const HEADER: &str = "// name: t\n// description: t\n// stage: hook\n// author: t\n";

    fn compiled(body: &str) -> HookScript {
        let clock = Arc::new(SystemClock::default());
        match load(&format!("{HEADER}{body}"), FileId(0), &Limits::default(), clock) {
            Ok(script) => script,
            Err(found) => panic!("{found:?}"),
        }
    }

    fn said(body: &str) -> String {
        let script = compiled(body);
        let (snapshot, _) = Snapshot::build(synthetic::assets(3, 1), &Limits::default()).unwrap();
        let hook = script.bind(Arc::new(snapshot), Arc::default(), Timestamp::UNIX_EPOCH);
        match hook.filter(0) {
            Ok(value) => value.to_string(),
            Err(error) => error.0,
        }
    }

    #[test]
    fn assets_answer_by_token() {
        assert_eq!(
            said(r#"fn filter(a) { a["azure.vm.name"] == "vm-0" && a.name == "vm-0" && a["provider"] == "AZURE" }"#),
            "true"
        );
        assert_eq!(said(r#"fn filter(a) { a["azure.vm.vmId"] == a.id && a["aws.ec2.vpcId"] == () }"#), "true");
        assert_eq!(said(r#"fn filter(a) { a["azure.tags.name"] == ["env"] && a.matches("provider: AZURE") }"#), "true");
        assert!(
            said(r#"fn filter(a) { a["azure.vm.nam"] == 1 }"#)
                .contains("there is no token `azure.vm.nam`; did you mean `azure.vm.name`?")
        );
        assert!(said(r#"fn filter(a) { a["openPorts.port"].len == 0 }"#).contains("cannot tell `openPorts.port`"));
        assert!(said(r#"fn filter(a) { a.matches("provider: ") }"#).contains("a value is missing after `provider:`"));
        assert_eq!(said("fn filter(a) { 5 }"), "`filter` returned i64, not true or false");
    }

    #[test]
    fn every_limit_ends_a_hostile_script() {
        for (body, why) in [
            ("loop { }", "it did more operations than its limit"),
            ("let x = 0; while true { x += 1; } true", "it did more operations than its limit"),
            ("fn deep(n) { deep(n + 1) } deep(0)", "Stack overflow"),
            ("let s = \"aaaaaaaaaa\"; loop { s += s; } true", "Length of string too large"),
            ("let s = \"a\"; s.pad(2000000000, 'x'); true", "Length of string too large"),
            ("let a = []; loop { a.push(1); } true", "Size of array/BLOB too large"),
            ("let a = []; a.pad(2000000000, 1); true", "Size of array/BLOB too large"),
            ("let m = #{}; let i = 0; loop { m[\"k\" + i] = i; i += 1; } true", "limit"),
            ("let a = [1]; loop { a = [a, a]; } true", "Size of array/BLOB too large"),
            ("9223372036854775807 + 1 == 0", "Addition overflow"),
            ("1 / 0 == 0", "Division by zero"),
            ("[1][5] == 0", "Array index 5 out of bounds"),
            ("2 ** 100000 == 0", "overflow"),
            ("import \"/etc/passwd\" as x; true", "Module"),
            ("nothing", "Variable not found"),
            ("sleep(2); true", "Function not found: sleep"),
            ("timestamp() == 0", "Function not found: timestamp"),
        ] {
            let (helper, body) = match body.strip_prefix("fn deep") {
                Some(rest) => {
                    let (function, call) = rest.split_once("} ").unwrap();
                    (format!("fn deep{function}}}\n"), call.to_owned())
                }
                None => (String::new(), body.to_owned()),
            };
            let text = said(&format!("{helper}fn filter(a) {{ {body} }}"));
            assert!(text.contains(why), "{body}: {text}");
        }
    }

    #[test]
    fn callbacks_of_native_functions_end_at_the_wall() {
        let body = "fn filter(a) { let v = []; v.pad(9000, 1); for i in 0..100000 { v.sort(|x, y| x - y); } true }";
        let text = said(body);
        assert!(text.contains("limit"), "{text}");
    }

    #[test]
    fn what_must_not_compile_does_not() {
        let failed = |body: &str| {
            let clock = Arc::new(SystemClock::default());
            load(body, FileId(0), &Limits::default(), clock).map(|_| ()).unwrap_err()
        };
        let codes = |body: &str| failed(body).iter().map(|d| d.code).collect::<Vec<_>>();
        assert_eq!(codes(&format!("{HEADER}fn filter(a) {{ eval(\"1\") }}")), ["P0603"]);
        assert_eq!(codes(&format!("{HEADER}fn helper(a) {{ true }}")), ["P0604"]);
        assert_eq!(codes("fn filter(a) { true }"), ["P0601"; 4]);
        let deep = format!("{HEADER}fn filter(a) {{ {}1{} }}", "(".repeat(500), ")".repeat(500));
        assert_eq!(codes(&deep), ["P0603"]);
        let found = failed(&format!("{HEADER}fn filter(a) {{\n  let = 5; }}"));
        assert_eq!(found[0].span().unwrap().start as usize, HEADER.len() + "fn filter(a) {\n  let ".len());
    }
}
