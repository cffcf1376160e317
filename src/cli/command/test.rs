//! `palisade test`

use serde::Serialize;

use super::check::expand;
use super::{Session, plural};
use crate::base::source::Location;
use crate::cli::args::{Format, TestArgs};
use crate::cli::exit::Exit;
use crate::run::error::{Result, RunError};
use crate::run::unit_test::{self, Tested};
use crate::run::workspace::Workspace;

#[derive(Serialize)]
struct TestsRecord {
    schema: &'static str,
    passed: usize,
    failed: usize,
    tests: Vec<TestRecord>,
}

#[derive(Serialize)]
struct TestRecord {
    name: String,
    place: PlaceRecord,
    passed: bool,
    expectations: usize,
    failures: Vec<FailureRecord>,
}

#[derive(Serialize)]
struct FailureRecord {
    place: PlaceRecord,
    message: String,
}

#[derive(Serialize)]
struct PlaceRecord {
    file: String,
    line: u32,
    column: u32,
}

impl From<&Location> for PlaceRecord {
    fn from(l: &Location) -> Self {
        Self { file: l.file.to_string(), line: l.line, column: l.column }
    }
}

fn record(t: &Tested) -> TestRecord {
    let failure = |f: &unit_test::Failure| FailureRecord { place: (&f.place).into(), message: f.message.clone() };
    TestRecord {
        name: t.name.clone(),
        place: (&t.place).into(),
        passed: t.failures.is_empty(),
        expectations: t.expectations,
        failures: t.failures.iter().map(failure).collect(),
    }
}

/// Runs the `test` blocks; 1 where one fails.
pub fn test(session: &Session, args: &TestArgs) -> Result<Exit> {
    let env = session.env(None);
    let workspace = if args.paths.is_empty() {
        session.sound_workspace(&env)?
    } else {
        let workspace = Workspace::load_files(&session.global.dir, &expand(&args.paths, "pal")?, &env.limits)?;
        session.output.diagnostics(&workspace.diagnostics, &workspace.sources);
        if !workspace.is_sound() {
            return Err(RunError::Usage("the job files have errors; nothing was tested".into()));
        }
        workspace
    };
    let tests: Vec<Tested> = workspace.program.tests.iter().map(|t| unit_test::run(&workspace, t, &env)).collect();
    let failed = tests.iter().filter(|t| !t.failures.is_empty()).count();
    match session.output.format {
        Format::Text => {
            for t in &tests {
                let mark = if t.failures.is_empty() { "ok  " } else { "FAIL" };
                session.output.data(&format!("{mark} {}  ({})\n", t.name, t.place));
                for f in &t.failures {
                    session.output.data(&format!("     {}  ({})\n", f.message, f.place));
                }
            }
            let n = tests.len();
            session.output.note(&format!("{n} test{}: {} passed, {failed} failed", plural(n), n - failed));
        }
        Format::Json => session.output.json(&TestsRecord {
            schema: "palisade/test/1",
            passed: tests.len() - failed,
            failed,
            tests: tests.iter().map(record).collect(),
        }),
        Format::Jsonl => tests.iter().for_each(|t| session.output.json_line(&record(t))),
    }
    Ok(if failed > 0 { Exit::Violations } else { Exit::Clean })
}
