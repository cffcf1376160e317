//! The REPL as people and pipes use it: a session on a pipe as text in, text out, and a real one on a pseudo-terminal.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use expectrl::{Expect, Regex, Session};

use crate::cli::{TempDir, palisade};
use crate::golden::golden;

const SESSION: &[&str] = &[
    ":help",
    "azure.vm.state: RUNNING and azure.vm.location: westus",
    "azure.vm.state: RUNNIN",
    "name: web* and (",
    "provider: AZURE)",
    "",
    ":count azure.vm.state provider: AZURE",
    ":values azure.vm.location",
    ":tokens azure.vm.publicIp",
    "tag \"West\" {",
    "  query = azure.vm.location: westus",
    "}",
    "tags.name: West",
    "let here = azure.vm.location: westus",
    "@here",
    ":explain lab-us azure.vm.state: RUNNING and azure.vm.location: eastus",
    ":explain P0012",
    ":rhai 40 + 2",
    ":rhai asset(\"lab-us\")[\"azure.vm.location\"]",
    ":rhai loop {}",
    ":load inventory/aws-instances.json",
    "provider: AWS and aws.ec2.instanceState: TERMINATED",
    ":load nowhere.json",
    ":nonsense",
    ":plan nothing",
    ":quit",
    "never: reached",
];

#[test]
fn a_session_on_a_pipe() {
    let state = TempDir::new("repl-pipe");
    let mut out = String::new();
    let mut child = palisade()
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))
        .args(["-C", "1-queries", "repl", "--now", "2026-06-01"])
        .env("PALISADE_STATE", &state.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in SESSION {
        out.push_str("> ");
        out.push_str(line);
        out.push('\n');
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    out.push_str("\n--- output\n");
    out.push_str(&String::from_utf8(output.stdout).unwrap());
    out.push_str("--- standard error\n");
    out.push_str(&String::from_utf8(output.stderr).unwrap());
    golden("repl/session.txt", &out);
}

/// Answers the editor's question where the cursor is, which a real terminal does by itself, until `wanted` is shown.
fn shows(session: &mut expectrl::session::OsSession, wanted: &str) {
    let either = Regex(format!("(?s)({wanted})|(\\x1b\\[6n)"));
    loop {
        let found = session.expect(&either).unwrap_or_else(|e| panic!("waiting for `{wanted}`: {e}"));
        if !found.get(0).is_some_and(|all| all.ends_with(b"\x1b[6n")) {
            return;
        }
        session.send("\x1b[1;1R").unwrap();
    }
}

const PROMPT: &str = "palisade\x1b\\[96m> ";

/// Types at the next prompt; earlier the terminal would not be the editor's yet.
fn types(session: &mut expectrl::session::OsSession, keys: &str, wanted: &str) {
    shows(session, PROMPT);
    session.send(keys).unwrap();
    shows(session, wanted);
}

#[test]
fn a_session_on_a_terminal() {
    let state = TempDir::new("repl-tty");
    // The session's terminal is its standard input, which `palisade()` would close.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_palisade"));
    command
        .env_remove("NO_COLOR")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))
        .args(["-C", "1-queries", "repl", "--now", "2026-06-01"])
        .env("PALISADE_STATE", &state.0)
        .env("HOME", &state.0)
        .env("TERM", "xterm");
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    shows(&mut session, "type a query, or :help");
    types(&mut session, "azure.vm.location: westus\r", "1 of \\d+ assets");
    // Half a token and the completion key: the only token that begins so is put in.
    types(&mut session, "azure.vm.subscr\t", "azure\\.vm\\.subscriptionId");
    session.send("\x15azure.vm.state: RUNNIN\r").unwrap();
    shows(&mut session, "did you mean");
    // An open bracket goes on in the next line.
    types(&mut session, "(provider: AZURE\r", "AZURE.*\\. ");
    session.send("and azure.vm.location: westus)\r").unwrap();
    shows(&mut session, "1 of \\d+ assets");
    // The history gives it back.
    types(&mut session, "\x1b[A", "westus\\)");
    session.send("\r").unwrap();
    shows(&mut session, "1 of \\d+ assets");
    shows(&mut session, PROMPT);
    session.send("\x04").unwrap();
    session.expect(expectrl::Eof).unwrap();
}
