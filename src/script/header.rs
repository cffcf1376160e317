//! The header that every script opens with: who wrote it, what for, and where it runs.

use crate::base::diagnostic::Diagnostic;
use crate::base::source::{FileId, Span};

/// Keys of the header, all required.
const KEYS: [&str; 4] = ["name", "description", "stage", "author"];

/// A script's header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Short name.
    pub name: String,
    /// What it does, one line.
    pub description: String,
    /// `hook` or `check`.
    pub stage: String,
    /// Who answers for it.
    pub author: String,
}

/// Reads the comment lines at the top of a script.
pub(super) fn read(text: &str, file: FileId) -> (Header, Vec<Diagnostic>) {
    let mut given: Vec<(&str, &str, Span)> = Vec::new();
    let mut at = 0u32;
    for line in text.split_inclusive('\n') {
        let span = Span::new(file, at, at + line.trim_end().len() as u32);
        at += line.len() as u32;
        let Some(comment) = line.trim_start().strip_prefix("//") else { break };
        if let Some((key, value)) = comment.split_once(':') {
            given.push((key.trim(), value.trim(), span));
        }
    }
    let top = Span::new(file, 0, text.lines().next().map_or(0, str::len) as u32);
    let value = |key: &str| given.iter().find(|(k, v, _)| *k == key && !v.is_empty());
    let mut found: Vec<Diagnostic> = KEYS
        .iter()
        .filter(|key| value(key).is_none())
        .map(|key| {
            let message = format!("the script's header has no `{key}`");
            Diagnostic::error("P0601", message, top, "the header stands here").help(format!(
                "open the script with the comment lines name, description, stage and author, such as `// {key}: {}`",
                example(key)
            ))
        })
        .collect();
    if let Some((_, stage, span)) = value("stage")
        && !["hook", "check"].contains(stage)
    {
        let message = format!("`{stage}` is no stage of a script");
        found.push(Diagnostic::error("P0602", message, *span, "").help("write `// stage: hook`"));
    }
    let text = |key| value(key).map(|(_, v, _)| (*v).to_owned()).unwrap_or_default();
    let header =
        Header { name: text("name"), description: text("description"), stage: text("stage"), author: text("author") };
    (header, found)
}

fn example(key: &str) -> &'static str {
    match key {
        "name" => "owner",
        "description" => "keeps assets that somebody answers for",
        "stage" => "hook",
        _ => "Example GmbH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_header_is_read() {
        let text = "// name: owner\r\n// description: a: b\n//stage:hook\n// author: Example GmbH\nfn filter(a) { true }\n// name: late";
        let (header, found) = read(text, FileId(0));
        assert_eq!(found, []);
        assert_eq!(
            (header.name.as_str(), header.description.as_str(), header.stage.as_str()),
            ("owner", "a: b", "hook")
        );
    }

    #[test]
    fn missing_and_wrong_fields_are_told_at_once() {
        let (_, found) = read("// name:\n// stage: boot\n// author: x\nfn filter(a) { true }", FileId(0));
        let told: Vec<_> =
            found.iter().map(|d| (d.code, d.message.as_str(), d.span().map(|s| (s.start, s.end)))).collect();
        assert_eq!(
            told,
            [
                ("P0601", "the script's header has no `name`", Some((0, 8))),
                ("P0601", "the script's header has no `description`", Some((0, 8))),
                ("P0602", "`boot` is no stage of a script", Some((9, 23))),
            ]
        );
        assert_eq!(read("", FileId(0)).1.len(), 4);
    }
}
