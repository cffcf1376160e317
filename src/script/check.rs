//! Checks in rhai: a script compiled once, asked about services and hosts from any thread, with all limits of a hook.

use std::sync::Arc;

use rhai::{AST, Array, CallFnOptions, Dynamic, Engine, EvalAltResult, Map, Scope as Variables};

use super::check_header::{self, CheckHeader};
use super::engine::{engine, start};
use super::evidence::{self, EvidenceValue, NotTested, ServiceValue};
use super::header::Header;
use super::hook::{compile_error, place_of_function, words_of};
use crate::base::clock::Clock;
use crate::base::diagnostic::{Diagnostic, has_errors};
use crate::base::limits::Limits;
use crate::base::source::{FileId, Span};
use crate::judge::check::{Check, CheckInfo, Hit, Scope, Subject, Verdict};

pub use super::builtin::{BUILTIN, Loaded, builtin};

/// Findings that one call may return.
const MAX_HITS: usize = 256;

/// Compiles checks; all share one engine.
pub struct CheckHost {
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

/// A check in rhai.
pub struct ScriptCheck {
    name: Arc<str>,
    header: CheckHeader,
    author: String,
    ast: AST,
    applies: bool,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

impl CheckHost {
    /// A host for checks. The clock only measures how long calls take.
    pub fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        let mut engine = engine(limits, Some(Arc::clone(&clock)));
        evidence::register(&mut engine);
        Self { engine: Arc::new(engine), clock, limits: limits.clone() }
    }

    /// Compiles a script and checks it: header, functions, names. `name` is shown in failures, such as `ACME-01.rhai`.
    pub fn load(&self, text: &str, name: &str, file: FileId) -> Result<ScriptCheck, Vec<Diagnostic>> {
        if text.len() as u64 > self.limits.script_bytes {
            let message = format!("the script has {} bytes; the limit is {}", text.len(), self.limits.script_bytes);
            return Err(vec![
                Diagnostic::error("P0603", message, Span::new(file, 0, 0), "").help("split it or shorten it"),
            ]);
        }
        let (header, mut found) = check_header::read(text, file);
        let ast = match self.engine.compile(text) {
            Ok(ast) => ast,
            Err(error) => {
                found.push(compile_error(text, file, &error));
                return Err(found);
            }
        };
        let applies = functions(&ast, text, file, &mut found);
        if has_errors(&found) {
            return Err(found);
        }
        let author = text.lines().find_map(|l| l.strip_prefix("// author:")).unwrap_or("").trim().to_owned();
        Ok(ScriptCheck {
            name: name.into(),
            header,
            author,
            ast,
            applies,
            engine: Arc::clone(&self.engine),
            clock: Arc::clone(&self.clock),
            limits: self.limits.clone(),
        })
    }
}

/// Whether it has `applies`; what is wrong with its functions is told.
fn functions(ast: &AST, text: &str, file: FileId, found: &mut Vec<Diagnostic>) -> bool {
    let mut has = [false; 2];
    for (slot, (name, arguments)) in has.iter_mut().zip([("applies", 1), ("check", 2)]) {
        let Some(function) = ast.iter_functions().find(|f| f.name == name) else { continue };
        *slot = true;
        if function.params.len() != arguments {
            let message = format!("`{name}` takes {} arguments, not {arguments}", function.params.len());
            let help = "write `fn applies(service)` and `fn check(service, evidence)`";
            found.push(Diagnostic::error("P0605", message, place_of_function(text, file, name), "").help(help));
        }
    }
    let [applies, check] = has;
    if !check && !has_errors(found) {
        let top = Span::new(file, 0, text.lines().next().map_or(0, str::len) as u32);
        let message = "the script has no function `check`";
        found.push(Diagnostic::error("P0608", message, top, "").help("write `fn check(service, evidence) { … }`"));
    }
    applies
}

impl ScriptCheck {
    /// What its header says, as any script's.
    pub fn header(&self) -> Header {
        self.header.plain(&self.author)
    }

    /// Whether the header's services take this one in.
    fn concerns(&self, subject: &Subject<'_>) -> bool {
        let Some(service) = subject.service else { return true };
        let wanted = &self.header.services;
        let is = |name: &str| service.service.as_ref().is_some_and(|s| *s.name == *name);
        wanted.is_empty()
            || wanted.iter().any(|w| match w.as_str() {
                "tls" => {
                    is("tls") || service.facts.any_under("tls.") || service.service.as_ref().is_some_and(|s| s.tls)
                }
                // Whatever speaks through HTTP.
                "http" => is("http") || service.facts.get("http.status").is_some(),
                name => is(name),
            })
    }

    fn call(&self, function: &str, args: impl rhai::FuncArgs) -> Result<Dynamic, Box<EvalAltResult>> {
        let options = CallFnOptions::new().eval_ast(false);
        self.engine.call_fn_with_options(options, &mut Variables::new(), &self.ast, function, args)
    }

    fn failed(&self, function: &str, error: &EvalAltResult, subject: &Subject<'_>) -> Verdict {
        match reason(error) {
            Some(NotTested::Fact(path)) => subject.not_learned(&path),
            Some(NotTested::Because(why)) => Verdict::NotTested(why),
            None => Verdict::Failed(words_of(&self.name, function, error)),
        }
    }
}

/// What a script threw to say that something was not tested.
fn reason(error: &EvalAltResult) -> Option<NotTested> {
    let mut inner = error;
    while let EvalAltResult::ErrorInFunctionCall(_, _, next, _) = inner {
        inner = next;
    }
    match inner {
        EvalAltResult::ErrorRuntime(value, _) => value.read_lock::<NotTested>().map(|v| v.clone()),
        _ => None,
    }
}

impl Check for ScriptCheck {
    fn info(&self) -> &CheckInfo {
        &self.header.info
    }

    fn judge(&self, subject: &Subject<'_>) -> Verdict {
        let Some(host) = subject.host else { return Verdict::NotApplicable };
        if subject.service.is_some() != (self.header.info.scope == Scope::Service) || !self.concerns(subject) {
            return Verdict::NotApplicable;
        }
        start(&*self.clock, &self.limits);
        let service = ServiceValue::of(subject.service);
        if self.applies {
            match self.call("applies", (service.clone(),)) {
                Ok(answer) => match answer.as_bool() {
                    Ok(true) => {}
                    Ok(false) => return Verdict::NotApplicable,
                    Err(other) => {
                        return Verdict::Failed(format!(
                            "{}: `applies` must return true or false, not {other}",
                            self.name
                        ));
                    }
                },
                Err(error) => return self.failed("applies", &error, subject),
            }
        }
        match self.call("check", (service, EvidenceValue::of(subject.service, host, subject.now))) {
            Ok(answer) => findings(answer).unwrap_or_else(|why| Verdict::Failed(format!("{}: {why}", self.name))),
            Err(error) => self.failed("check", &error, subject),
        }
    }
}

/// Nothing for clear; a text, a map, or a list of them for findings.
fn findings(answer: Dynamic) -> Result<Verdict, String> {
    if answer.is_unit() {
        return Ok(Verdict::Clear);
    }
    if !answer.is_array() {
        return Ok(Verdict::Found(vec![hit(&answer)?]));
    }
    let items: Array = answer.into_array().map_err(|t| format!("`check` returned {t}"))?;
    if items.len() > MAX_HITS {
        return Err(format!("`check` returned {} findings; the limit is {MAX_HITS}", items.len()));
    }
    Ok(Verdict::hits(items.iter().map(hit).collect::<Result<_, _>>()?))
}

fn hit(value: &Dynamic) -> Result<Hit, String> {
    if value.is_string() {
        return Ok(Hit { evidence: value.to_string(), ..Hit::default() });
    }
    let wanted = "`check` must return nothing, a text, or maps such as #{ evidence: \"…\", severity: 3, key: \"…\" }";
    let Some(map) = value.read_lock::<Map>() else { return Err(format!("{wanted}, not {}", value.type_name())) };
    let mut hit = Hit::default();
    for (key, value) in map.iter() {
        match key.as_str() {
            "evidence" if value.is_string() => hit.evidence = value.to_string(),
            "key" if value.is_string() => hit.key = value.to_string(),
            "severity" => match value.as_int() {
                Ok(n @ 1..=5) => hit.severity = Some(n as u8),
                _ => return Err("a finding's severity is a whole number from 1 to 5".into()),
            },
            other => return Err(format!("a finding has no `{other}` of this kind; {wanted}")),
        }
    }
    if hit.evidence.is_empty() {
        return Err(format!("a finding has no evidence; {wanted}"));
    }
    Ok(hit)
}
