//! The header that every script opens with: who wrote it, what for, and where it runs.

use crate::base::diagnostic::Diagnostic;
use crate::base::source::{FileId, Span};

/// Keys of the header, all required.
const KEYS: [&str; 4] = ["name", "description", "stage", "author"];

/// Checks the comment lines at the top of a script.
pub(super) fn check(text: &str, file: FileId) -> Vec<Diagnostic> {
    let mut given: Vec<(&str, &str, Span)> = Vec::new();
    let mut at = 0u32;
    for line in text.lines() {
        let span = Span::new(file, at, at + line.len() as u32);
        at += line.len() as u32 + 1;
        let Some(comment) = line.trim_start().strip_prefix("//") else { break };
        if let Some((key, value)) = comment.split_once(':') {
            given.push((key.trim(), value.trim(), span));
        }
    }
    let top = Span::new(file, 0, text.find('\n').unwrap_or(text.len()) as u32);
    let mut found: Vec<Diagnostic> = KEYS
        .iter()
        .filter(|key| !given.iter().any(|(k, v, _)| k == *key && !v.is_empty()))
        .map(|key| {
            Diagnostic::error("P0601", format!("the script's header has no `{key}`"), top, "the header stands here")
                .help("open the script with lines such as `// name: owner`, `// description: …`, `// stage: hook`, `// author: …`")
        })
        .collect();
    if let Some((_, stage, span)) = given.iter().find(|(k, ..)| *k == "stage")
        && *stage != "hook"
        && *stage != "check"
    {
        found.push(
            Diagnostic::error("P0602", format!("`{stage}` is no stage of a script"), *span, "")
                .help("write hook or check"),
        );
    }
    found
}
