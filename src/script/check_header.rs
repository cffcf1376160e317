//! The header of a check in rhai: what everybody may know of it. The same fields as a native check's row.

use super::header::Header;
use crate::base::diagnostic::Diagnostic;
use crate::base::source::{FileId, Span};
use crate::judge::check::{CheckInfo, Kind, Scope};
use crate::lang::job::Consent;
use crate::service::evidence::Ask;

/// Fields that every check has.
const REQUIRED: [&str; 10] =
    ["id", "title", "severity", "kind", "family", "threat", "impact", "solution", "stage", "author"];
/// Fields that it may have.
const OPTIONAL: [&str; 6] = ["control", "consent", "scope", "services", "references", "asks"];

/// A check's header.
pub(super) struct CheckHeader {
    pub(super) info: CheckInfo,
    /// Services by name that it looks at; empty for all. `tls` stands for every port where TLS was spoken.
    pub(super) services: Vec<String>,
}

struct Field {
    key: &'static str,
    value: String,
    span: Span,
}

/// The comment lines at the top. A line that begins with no known key goes on with the field before it.
fn fields(text: &str, file: FileId) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut at = 0u32;
    for line in text.split_inclusive('\n') {
        let span = Span::new(file, at, at + line.trim_end().len() as u32);
        at += line.len() as u32;
        let Some(comment) = line.trim_start().strip_prefix("//") else { break };
        let known = comment.split_once(':').and_then(|(key, value)| {
            let key = REQUIRED.iter().chain(&OPTIONAL).find(|k| **k == key.trim())?;
            Some((*key, value.trim().to_owned()))
        });
        match (known, fields.last_mut()) {
            (Some((key, value)), _) => fields.push(Field { key, value, span }),
            (None, Some(last)) if !comment.trim().is_empty() => {
                last.value.push(' ');
                last.value.push_str(comment.trim());
                last.span = last.span.join(span);
            }
            (None, _) => {}
        }
    }
    fields
}

fn words(text: &str) -> Vec<String> {
    text.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect()
}

fn consent(word: &str) -> Option<Consent> {
    Some(match word {
        "safe" => Consent::Safe,
        "auth" => Consent::Auth,
        "odd" => Consent::Odd,
        "ics" => Consent::Ics,
        _ => return None,
    })
}

fn is_id(text: &str) -> bool {
    let whole = text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-');
    whole && text.len() <= 32 && text.contains('-') && text.starts_with(|c: char| c.is_ascii_uppercase())
}

/// What is wrong with one field.
struct Reading<'f> {
    fields: &'f [Field],
    top: Span,
    found: Vec<Diagnostic>,
}

impl Reading<'_> {
    fn text(&self, key: &str) -> String {
        self.fields.iter().find(|f| f.key == key).map(|f| f.value.clone()).unwrap_or_default()
    }

    /// A field of a few words; the default where it is not written.
    fn choice<T: Copy>(&mut self, key: &str, default: T, help: &str, read: impl Fn(&str) -> Option<T>) -> T {
        let Some(field) = self.fields.iter().find(|f| f.key == key).filter(|f| !f.value.is_empty()) else {
            return default;
        };
        read(&field.value).unwrap_or_else(|| {
            let message = format!("`{}` is no {key} of a check", field.value);
            self.found.push(Diagnostic::error("P0607", message, field.span, "").help(help));
            default
        })
    }

    fn require(&mut self, keys: &[&str]) {
        for key in keys {
            if self.text(key).is_empty() {
                let message = format!("the check's header has no `{key}`");
                let help = format!("write the comment line `// {key}: …` at the top");
                self.found.push(Diagnostic::error("P0601", message, self.top, "the header stands here").help(help));
            }
        }
    }
}

/// Reads and checks the header.
pub(super) fn read(text: &str, file: FileId) -> (CheckHeader, Vec<Diagnostic>) {
    let fields = fields(text, file);
    let top = Span::new(file, 0, text.lines().next().map_or(0, str::len) as u32);
    let mut r = Reading { fields: &fields, top, found: Vec::new() };
    r.require(&REQUIRED);
    r.choice("stage", (), "write `// stage: check`", |w| (w == "check").then_some(()));
    r.choice("id", (), "write capitals, digits and dashes, such as `// id: ACME-01`", |w| is_id(w).then_some(()));
    let severity = r.choice("severity", 1, "write a number from 1 to 5", |w| match w.parse() {
        Ok(n @ 1..=5) => Some(n),
        _ => None,
    });
    let kind = r.choice("kind", Kind::Information, "kinds are confirmed, potential, information", |w| match w {
        "confirmed" => Some(Kind::Confirmed),
        "potential" => Some(Kind::Potential),
        "information" => Some(Kind::Information),
        _ => None,
    });
    let class = r.choice("consent", Consent::Safe, "classes are safe, auth, odd, ics", consent);
    let scope = r.choice("scope", Scope::Service, "scopes are service and host", |w| match w {
        "service" => Some(Scope::Service),
        "host" => Some(Scope::Host),
        _ => None,
    });
    if kind == Kind::Confirmed {
        r.require(&["control"]);
    }
    let ask = |ask: String| {
        let (what, argument) = ask.split_once(' ').unwrap_or((&ask, ""));
        Ask { what: what.into(), argument: argument.trim().into(), consent: class }
    };
    let info = CheckInfo {
        id: r.text("id"),
        family: r.text("family"),
        title: r.text("title"),
        severity,
        kind,
        consent: class,
        scope,
        references: words(&r.text("references")),
        threat: r.text("threat"),
        impact: r.text("impact"),
        solution: r.text("solution"),
        control: r.text("control"),
        asks: words(&r.text("asks")).into_iter().map(ask).collect(),
    };
    let services = words(&r.text("services"));
    (CheckHeader { info, services }, r.found)
}

impl CheckHeader {
    /// As a header of any script.
    pub(super) fn plain(&self, author: &str) -> Header {
        Header {
            name: self.info.id.clone(),
            description: self.info.title.clone(),
            stage: "check".into(),
            author: author.into(),
        }
    }
}
