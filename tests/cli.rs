//! The real binary, case by case: command, exit code, standard output and standard error are compared together.
//!
//! A case is `tests/cli/NAME.md`: fenced `console` blocks, each a line `$ palisade …`, the output, and where they are
//! not zero and empty, a line `? CODE` and the lines after `! ` for standard error. `UPDATE_GOLDEN=1` rewrites them.
//! Commands run in `examples/`, with a state folder of their own. The README is a page too; its commands run at the top.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder that goes when the test does.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn palisade() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("COLUMNS", "120").stdin(Stdio::null());
    command
}

/// Splits a command line as a shell would, for single and double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut open = false;
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                open = true;
            }
            (Some(q), c) if q == c => quote = None,
            (None, ' ') => {
                if open {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (_, c) => {
                word.push(c);
                open = true;
            }
        }
    }
    if open {
        words.push(word);
    }
    words
}

fn actual(command_line: &str, folder: &Path, state: &Path) -> String {
    let mut args = words(command_line);
    assert_eq!(args.remove(0), "palisade", "a case runs palisade only: {command_line}");
    let output = palisade().args(&args).current_dir(folder).env("PALISADE_STATE", state).output().unwrap();
    let mut text = format!("$ {command_line}\n");
    if output.status.code() != Some(0) {
        let _ = writeln!(text, "? {}", output.status.code().unwrap_or(-1));
    }
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let _ = writeln!(text, "{}", without_file_times(line.trim_end()));
    }
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        let _ = writeln!(text, "{}", format!("! {line}").trim_end());
    }
    text
}

/// A recorded inventory without a time of its own is as old as its file, which differs from clone to clone.
fn without_file_times(line: &str) -> String {
    match line.split_once("snap-") {
        Some((front, rest)) if rest.contains(" of 2") => format!("{front}snap-… of its files' time"),
        _ => line.to_owned(),
    }
}

/// Re-runs each console block of a page and returns the page as it should read.
fn replay(page: &str, folder: &Path, state: &Path) -> String {
    let mut out = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if line != "```console" {
            continue;
        }
        for line in lines.by_ref() {
            if line == "```" {
                out.push_str("```\n");
                break;
            }
            if let Some(command) = line.strip_prefix("$ ") {
                out.push_str(&actual(command, folder, state));
            }
        }
    }
    out
}

#[test]
fn every_page_says_what_the_binary_says() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = fs::read_dir(top.join("tests/cli")).unwrap().map(|e| e.unwrap().path()).collect();
    pages.sort();
    assert!(!pages.is_empty());
    pages.push(top.join("README.md"));
    let mut faults = Vec::new();
    for path in pages {
        let page = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let state = TempDir::new(&format!("cli-{name}"));
        let folder = if name == "README" { top.to_owned() } else { top.join("examples") };
        let now = replay(&page, &folder, &state.0);
        if now != page {
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::write(&path, &now).unwrap();
            } else {
                faults.push(difference(&path, &page, &now));
            }
        }
    }
    assert!(faults.is_empty(), "{}\nUPDATE_GOLDEN=1 accepts", faults.join("\n"));
}

fn difference(path: &Path, want: &str, got: &str) -> String {
    let mut text = format!("{} differs:\n", path.display());
    let (want, got): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let first = want.iter().zip(&got).take_while(|(a, b)| a == b).count();
    for line in want.iter().skip(first).take(12) {
        let _ = writeln!(text, "- {line}");
    }
    for line in got.iter().skip(first).take(12) {
        let _ = writeln!(text, "+ {line}");
    }
    text
}
