//! The house rules that a reader would otherwise have to police: the ladder of rooms, the fences round third-party
//! syntax, file sizes, and words that must not be committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms in order: a room may import only rooms before it. architecture.md, "Rooms, in order".
const LADDER: &[&str] = &[
    "base",
    "inventory",
    "lang",
    "connector",
    "plan",
    "scan",
    "service",
    "judge",
    "script",
    "report",
    "store",
    "run",
    "fleet",
    "daemon",
    "http",
    "repl",
    "lsp",
    "cli",
];

/// A crate's name as it appears in paths, and the places that may name it.
const FENCES: &[(&str, &[&str])] = &[
    ("pest", &["lang/syntax/"]),
    ("pest_derive", &["lang/syntax/"]),
    ("rhai", &["script/"]),
    ("pnet", &["scan/link/", "scan/wire"]),
    ("libc", &["scan/link/"]),
    ("socket2", &["scan/link/"]),
    ("mio", &["scan/link/"]),
    ("rtnetlink", &["scan/link/"]),
    ("caps", &["scan/link/", "scan/preflight.rs"]),
    ("foldhash", &["base/fast.rs"]),
    ("sqlx", &["store/"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("comfy_table", &["cli/", "repl/"]),
    ("indicatif", &["cli/"]),
    ("reedline", &["repl/"]),
    ("aws_config", &["connector/live/aws/credentials.rs"]),
    ("aws_credential_types", &["connector/live/aws/"]),
    ("aws_sigv4", &["connector/live/aws/query.rs"]),
    ("aws_smithy_runtime_api", &["connector/live/aws/credentials.rs"]),
    ("aws_smithy_types", &["connector/live/aws/credentials.rs"]),
    ("reqwest", &["connector/live/"]),
    ("zeroize", &["connector/live/secret.rs"]),
    ("hickory_resolver", &["plan/resolve"]),
    (
        "rustls",
        &[
            "connector/live/http.rs",
            "service/session.rs",
            "service/channel.rs",
            "service/driver.rs",
            "service/certificate.rs",
        ],
    ),
    ("ring", &["service/ssh_auth.rs", "service/ssh_cipher.rs", "service/session.rs"]),
    ("tokio_rustls", &["service/channel.rs"]),
    ("tls_parser", &["service/tls"]),
    ("x509_parser", &["service/certificate.rs"]),
    ("webpki_roots", &["service/certificate.rs"]),
    ("memmap2", &["store/mapped.rs"]),
    ("miette", &["cli/", "repl/"]),
    ("csv", &["report/format/"]),
    ("minijinja", &["report/format/"]),
    ("pdf_writer", &["report/format/"]),
    ("quick_xml", &["connector/live/aws/xml.rs", "report/format/"]),
    ("azure_core", &["connector/live/azure_token.rs"]),
    ("azure_identity", &["connector/live/azure_token.rs"]),
    ("async_trait", &["connector/live/azure_token.rs"]),
    ("google_cloud_auth", &["connector/live/gcp_token.rs"]),
    ("serde", &["connector/", "report/", "store/", "run/", "cli/"]),
    ("serde_json", &["connector/", "report/", "store/", "run/", "cli/"]),
];

/// Files that may hold unsafe code, each block argued.
const UNSAFE_FILES: &[&str] = &["scan/link/", "store/mapped.rs"];

const MAX_FILE_LINES: usize = 700;

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut stack = vec![folder.to_owned()];
    while let Some(dir) = stack.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn sources() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    source_files(&src)
        .into_iter()
        .map(|p| (p.strip_prefix(&src).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&p).unwrap()))
        .collect()
}

/// Code lines with their numbers; comments and doc text left out.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, l)| (i + 1, l)).filter(|(_, l)| !l.trim_start().starts_with("//"))
}

fn rank(room: &str) -> Option<usize> {
    LADDER.iter().position(|r| *r == room)
}

/// `crate::x` paths of one line.
fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").filter_map(move |(at, _)| {
        let before = line[..at].chars().next_back();
        (!before.is_some_and(|c| c.is_alphanumeric() || c == '_')).then(|| {
            let rest = &line[at + "crate::".len()..];
            &rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())]
        })
    })
}

#[test]
fn rooms_import_only_rooms_above_them() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        let Some((room, _)) = file.split_once('/') else { continue };
        let own = rank(room).unwrap_or_else(|| panic!("src/{room}/ is not a room of the ladder"));
        for (line_no, line) in code_lines(&text) {
            for target in crate_paths(line) {
                match rank(target) {
                    Some(other) if other <= own => {}
                    Some(_) => faults.push(format!("src/{file}:{line_no}: {room} may not import {target}")),
                    None => faults.push(format!("src/{file}:{line_no}: crate::{target} is no room")),
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn third_party_syntax_stops_at_its_door() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        for (line_no, line) in code_lines(&text) {
            for (name, doors) in FENCES {
                let named = line.match_indices(&format!("{name}::")).any(|(at, _)| {
                    !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                });
                if named && !doors.iter().any(|d| file.starts_with(d)) {
                    faults.push(format!("src/{file}:{line_no}: {name} may be named only in {doors:?}"));
                }
            }
            if (line.contains("Timestamp::now(") || line.contains("SystemTime::now(") || line.contains("Instant::now("))
                && file != "base/clock.rs"
            {
                faults.push(format!("src/{file}:{line_no}: only base/clock.rs reads the clock"));
            }
            if line.contains("unsafe {") && !UNSAFE_FILES.iter().any(|u| file.starts_with(u)) {
                faults.push(format!("src/{file}:{line_no}: unsafe code outside its fence"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_open_with_their_purpose_and_stay_readable() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//!") {
            faults.push(format!("src/{file}: does not open with `//!`"));
        }
        let lines = text.lines().count();
        if lines > MAX_FILE_LINES {
            faults.push(format!("src/{file}: {lines} lines, more than {MAX_FILE_LINES}"));
        }
        let stem = Path::new(&file).file_stem().unwrap().to_str().unwrap();
        if ["util", "utils", "helper", "helpers", "common", "misc"].contains(&stem) {
            faults.push(format!("src/{file}: a file is named for what it holds"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_half_done_is_committed() {
    let mut faults = Vec::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let test_files = source_files(&tests)
        .into_iter()
        .filter(|p| p.file_name().is_some_and(|n| n != "tidy.rs"))
        .map(|p| (p.display().to_string(), fs::read_to_string(&p).unwrap()));
    for (file, text) in sources().into_iter().chain(test_files) {
        for (line_no, line) in text.lines().enumerate().map(|(i, l)| (i + 1, l)) {
            for word in ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "#[ignore", "#[should_panic", "dbg!("] {
                if line.contains(word) {
                    faults.push(format!("{file}:{line_no}: {word}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
