//! Hooks: what scripts can do, and what hostile ones cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use palisade::base::clock::{Clock, ManualClock};
use palisade::base::diagnostic::Diagnostic;
use palisade::base::limits::Limits;
use palisade::base::source::FileId;
use palisade::inventory::asset::{Field, Value};
use palisade::inventory::catalogue::ids;
use palisade::inventory::partition::PartitionState;
use palisade::inventory::snapshot::Snapshot;
use palisade::inventory::synthetic;
use palisade::lang::query::tags::TagMembership;
use palisade::plan::hook::{AssetHook, HookError, Provides};
use palisade::script::hook::{self, BoundHook, HookScript};

const HEADER: &str = "// name: t\n// description: t\n// stage: hook\n// author: t\n";

/// A clock on which each look takes a millisecond.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn snapshot() -> Arc<Snapshot> {
    let mut input = synthetic::assets(4, 7);
    for (i, asset) in input.assets.iter_mut().enumerate() {
        let owner = [(ids::AZURE_TAG_NAME, "owner"), (ids::AZURE_TAG_VALUE, "ops")];
        if i == 1 {
            asset.fields.extend(owner.map(|(token, v)| Field { token, element: 1, value: Value::Str(v.into()) }));
        }
    }
    Arc::new(Snapshot::build(input, &Limits::default()).unwrap().0)
}

fn compile(body: &str, limits: &Limits) -> Result<HookScript, Vec<Diagnostic>> {
    hook::load(&format!("{HEADER}{body}"), "t.rhai", FileId(0), limits)
}

fn bound(script: &HookScript, snapshot: &Arc<Snapshot>, clock: Arc<dyn Clock>) -> BoundHook {
    script.bind(Arc::clone(snapshot), Arc::new(TagMembership::default()), Timestamp::UNIX_EPOCH, clock)
}

fn still() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH))
}

/// What `filter` says about the first asset.
fn filter(body: &str) -> Result<bool, HookError> {
    let snapshot = snapshot();
    let script = compile(&format!("fn filter(asset) {{ {body} }}"), &Limits::default())
        .map_err(|found| HookError(format!("{}: {}", found[0].code, found[0].message)))?;
    bound(&script, &snapshot, still()).filter(&snapshot, 0)
}

fn failure(body: &str) -> String {
    filter(body).unwrap_err().0
}

#[test]
fn tokens_are_read_by_name() {
    for body in [
        r#"asset["provider"] == "AZURE" && asset.provider == "AZURE""#,
        r#"asset.name == "vm-0" && asset.id == "10000000-0000-4000-8000-000000000000""#,
        r#"asset["azure.tags.name"] == ["env"] && asset["azure.vm.state"].len() > 0"#,
        r#"asset.connector == "synthetic" && asset["aws.ec2.instanceType"] == ()"#,
        r#"asset.matches("provider: AZURE") && !asset.matches("name: \"vm-1\"")"#,
        r#"let q = "provider: "; asset.matches(q + "AZURE")"#,
        r#"asset.tag("owner") == () && asset.tag("env") != ()"#,
        r#"asset["tags.name"] == []"#,
    ] {
        assert_eq!(filter(body), Ok(true), "{body}");
    }
}

#[test]
fn a_tag_is_key_and_value_of_one_element() {
    let snapshot = snapshot();
    let script = compile(r#"fn filter(a) { a.tag("owner") == "ops" }"#, &Limits::default()).unwrap();
    let hook = bound(&script, &snapshot, still());
    let kept: Vec<u32> = (0..4).filter(|row| hook.filter(&snapshot, *row).unwrap()).collect();
    assert_eq!(kept, [1]);
}

#[test]
fn an_unread_part_is_a_failure_and_not_an_absence() {
    let mut input = synthetic::assets(2, 7);
    input.partitions[0].state = PartitionState::Denied { cause: "denied".into() };
    for asset in &mut input.assets {
        asset.fields.retain(|f| f.token != ids::AZURE_TAG_NAME && f.token != ids::AZURE_TAG_VALUE);
    }
    let snapshot = Arc::new(Snapshot::build(input, &Limits::default()).unwrap().0);
    for body in [r#"a["azure.tags.name"] == []"#, r#"a.tag("owner") == ()"#, r#"a.matches("azure.tags.name is null")"#]
    {
        let script = compile(&format!("fn filter(a) {{ {body} }}"), &Limits::default()).unwrap();
        let told = bound(&script, &snapshot, still()).filter(&snapshot, 0).unwrap_err().0;
        assert!(told.contains("cannot tell") && told.contains("was not read"), "{told}");
    }
}

#[test]
fn failures_name_the_place_and_the_cause() {
    let shown: Vec<String> = [
        r#"asset["azure.vm.sise"]"#,
        r#"asset["Azure.VM.size"]"#,
        "asset.nome",
        "1",
        "let x = 1 / 0; true",
        "let x = [1]; x[7] == 1",
        "throw \"no\"",
        "let q = \"nonsense: 1\"; asset.matches(q)",
        "9223372036854775807 + asset.id.len() > 0",
    ]
    .iter()
    .map(|body| failure(body))
    .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    t.rhai:5:25: `filter` failed: there is no token `azure.vm.sise`; did you mean `azure.vm.size`?
    t.rhai:5:25: `filter` failed: there is no token `Azure.VM.size`; write `azure.vm.size`
    t.rhai:5:25: `filter` failed: there is no token `nome`; did you mean `name`?
    t.rhai: `filter` must return true or false, but returned a value of type i64
    t.rhai:5:30: `filter` failed: division by zero: 1 / 0
    t.rhai:5:35: `filter` failed: array index 7 out of bounds: only 1 element in array
    t.rhai:5:20: `filter` failed: no
    t.rhai:5:49: `filter` failed: the query `nonsense: 1` is wrong: there is no token `nonsense`
    t.rhai:5:40: `filter` failed: addition overflow: 9223372036854775807 + 36
    "#);
}

#[test]
fn faults_of_a_script_are_told_with_their_places() {
    let shown: Vec<String> = [
        "fn filter(asset) { tru }",
        "fn filter(asset) { true",
        "fn filter() { true }",
        "fn helper(asset) { true }",
        "fn filter(asset) { eval(\"true\") }",
        "import \"x\" as x; fn filter(asset) { true }",
        "fn filter(asset) { asset.matches(\"provider AWS\") }",
        "fn filter(asset) { asset.matches(\"provder: AWS\") }",
        "fn é(asset) { true }",
        "fn filter(a) { true } fn filter(a) { false }",
    ]
    .iter()
    .map(|body| {
        let text = format!("{HEADER}{body}");
        let found = hook::load(&text, "t.rhai", FileId(0), &Limits::default()).err().unwrap_or_default();
        let told = found.iter().map(|d| {
            let span = d.span().unwrap();
            format!("{} {} at `{}`", d.code, d.message, &text[span.start as usize..span.end as usize])
        });
        told.collect::<Vec<_>>().join("; ")
    })
    .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    P0606 undefined variable: tru at `t`
    P0606 expecting ';' to terminate this statement at ``
    P0605 `filter` takes 0 arguments; a hook's functions take the asset at `filter`
    P0604 the script has none of a hook's functions at `// name: t`
    P0606 reserved keyword 'eval' is disabled at `e`
    P0606 'import' is a reserved keyword at `i`
    P0015 an `and` or `or` is missing at `AWS`
    P0101 there is no token `provder` at `provder`
    P0606 expecting function name in function declaration at `é`
    P0606 function filter with 1 parameter already exists at `f`
    "#);
}

#[test]
fn endless_work_ends() {
    for body in [
        "loop { }",
        "while true { let x = 1; }",
        "fn f(n) { f(n + 1) } f(0)",
        "let n = 0; for i in 0..9223372036854775807 { n += 1; } true",
        "let n = 0; for i in range(0, 9223372036854775807, 2) { n += i % 3; } true",
        "let a = []; a.pad(10000, 1); loop { a.sort(|x, y| x - y); }",
        "let a = []; a.pad(9999, 1); loop { a = a.map(|x| x + 1); }",
        "let a = []; a.pad(9999, 1); loop { a.filter(|x| x > 1); }",
        "let a = []; a.pad(9999, 1); loop { a.retain(|x| true); a.reduce(|s, x| 1); a.some(|x| false); }",
        "let f = |n| n; loop { f.call(1); }",
        "let f = || 1; f = |g| g.call(g); f.call(f)",
    ] {
        let body = match body.strip_prefix("fn f") {
            Some(rest) => {
                let (function, call) = rest.rsplit_once("} ").unwrap();
                format!("{call} }} fn f{function}")
            }
            None => body.to_owned(),
        };
        let told = failure(&body);
        let why = ["more operations", "stack overflow", "too many", "expression"];
        assert!(why.iter().any(|w| told.to_lowercase().contains(w)), "{body}: {told}");
    }
}

#[test]
fn time_ends_a_call_that_operations_do_not() {
    let limits = Limits { script_operations: u64::MAX, ..Limits::default() };
    let snapshot = snapshot();
    for body in ["loop { }", "let a = []; a.pad(9999, 1); loop { a.sort(|x, y| x - y); }"] {
        let script = compile(&format!("fn filter(a) {{ {body} }}"), &limits).unwrap();
        let hook = bound(&script, &snapshot, Arc::new(Ticking(AtomicU64::new(0))));
        let told = hook.filter(&snapshot, 0).unwrap_err().0;
        assert!(told.contains("it takes longer than a call may"), "{told}");
    }
}

#[test]
fn memory_stays_bounded() {
    for body in [
        "let s = \"x\"; loop { s += s; }",
        "let s = \"x\"; loop { s = `${s}${s}`; }",
        "let s = \"x\"; s.pad(2000000000, 'y'); true",
        "let s = \"x\"; s.pad(90000, 'a'); let t = s; s.replace(\"a\", t); true",
        "let s = \"x\"; s.pad(90000, 'a'); let t = s; s.replace('a', t); true",
        "let a = [1]; loop { a += a; }",
        "let a = [1]; loop { a.push(1); }",
        "let a = []; a.pad(2000000000, 1); true",
        "let a = [1]; loop { a = [a, a]; }",
        "let m = #{}; let i = 0; loop { m[i.to_string()] = i; i += 1; }",
        "let m = #{}; loop { m = #{ a: m, b: m }; }",
        "let s = \"x\"; s.pad(50000, 'a'); s.split(\"\").len() > 0",
        "let b = blob(2000000000); true",
    ] {
        assert!(filter(body).is_err(), "{body}");
    }
    let grown = failure("let s = \"x\"; s.pad(90000, 'a'); let t = s; s.replace(\"a\", t); true");
    assert!(grown.contains("could be longer than 100000 bytes"), "told before it is made: {grown}");
}

#[test]
fn the_outside_world_is_out_of_reach() {
    for body in
        ["sleep(2)", "sleep(2.0)", "timestamp()", "parse_json(\"{}\")", "rand()", "exit(true)", "open_file(\"x\")"]
    {
        assert!(filter(body).is_err(), "{body}");
    }
    assert_eq!(filter("print(\"x\"); debug(1); true"), Ok(true), "what scripts print goes nowhere");
}

#[test]
fn deep_and_wide_scripts_are_refused_or_read() {
    let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    let bodies = [
        deep("(", ")", 10_000),
        deep("[", "]", 10_000),
        deep("{", "}", 10_000),
        deep("#{a:", "}", 10_000),
        deep("if true {", "}", 10_000),
        format!("{}true", "!".repeat(50_000)),
        format!("true{}", " && true".repeat(50_000)),
        format!("1{} > 0", " + 1".repeat(50_000)),
        format!("asset{}", ".x".repeat(50_000)),
        format!("asset{}", "[0]".repeat(50_000)),
        format!("if true {{ }} {} true", "else if true { }".repeat(20_000)),
        format!("{} true", "|x| ".repeat(10_000)),
        format!("{} true", "let x = 1; ".repeat(5_000)),
    ];
    for body in bodies {
        let _ = filter(&body);
    }
    let variables: String = (0..2_000).map(|i| format!("let v{i} = {i}; ")).collect();
    assert!(failure(&format!("{variables} true")).contains("variables"));
    let recursion = deep("(1 + ", ")", 25).replace('1', "filter(asset)");
    assert!(filter(&recursion).is_err());
    let long = format!("// {}", "x".repeat(2 << 20));
    assert_eq!(compile(&long, &Limits::default()).err().unwrap()[0].code, "P0603");
}

#[test]
fn one_hook_serves_many_threads_and_only_its_inventory() {
    let snapshot = snapshot();
    let script =
        compile("fn order(a) { if a.name == \"vm-2\" { 1 } else { 2 } } fn rate(a) { 50 }", &Limits::default())
            .unwrap();
    let hook = bound(&script, &snapshot, still());
    assert_eq!(hook.provides(), Provides { order: true, rate: true, ..Provides::default() });
    std::thread::scope(|scope| {
        for row in 0..4 {
            let (hook, snapshot) = (&hook, &snapshot);
            scope.spawn(move || {
                for _ in 0..200 {
                    assert_eq!(hook.order(snapshot, row), Ok(if row == 2 { 1 } else { 2 }));
                }
            });
        }
    });
    let other = Snapshot::build(synthetic::assets(9, 1), &Limits::default()).unwrap().0;
    assert!(hook.rate(&other, 0).unwrap_err().0.contains("the hook is bound to snap-"));
}

#[test]
fn shipped_hooks_work() {
    let snapshot = snapshot();
    let mut answers = Vec::new();
    for name in ["owner", "critical-first", "gentle"] {
        let path = format!("{}/scripts/hooks/{name}.rhai", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let script = hook::load(&text, name, FileId(0), &Limits::default()).unwrap();
        assert_eq!((script.header().name.as_str(), script.warnings.len()), (name, 0));
        let hook = bound(&script, &snapshot, still());
        let has = hook.provides();
        for row in 0..2 {
            answers.push(format!(
                "{name} {row}: {:?} {:?} {:?} {:?}",
                has.filter.then(|| hook.filter(&snapshot, row).unwrap()),
                has.order.then(|| hook.order(&snapshot, row).unwrap()),
                has.rate.then(|| hook.rate(&snapshot, row).unwrap()),
                has.annotate.then(|| hook.annotate(&snapshot, row).unwrap()),
            ));
        }
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    owner 0: Some(false) None None Some([])
    owner 1: Some(true) None None Some([("owner", "ops")])
    critical-first 0: None Some(10) None None
    critical-first 1: None Some(0) None None
    gentle 0: None None Some(500) Some([("rate", "500 packets a second at most")])
    gentle 1: None None Some(500) Some([("rate", "500 packets a second at most")])
    "#);
}
