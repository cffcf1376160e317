//! Diagnostics for people (drawn by miette) and for machines.

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity as MietteSeverity};
use serde::Serialize;

use crate::base::diagnostic::{Diagnostic, Severity};
use crate::base::source::{FileId, SourceMap, Span};

/// One diagnostic with the text it points into, as miette wants it.
struct Drawn<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
}

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.diagnostic.code)
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<MietteSeverity> {
        Some(match self.diagnostic.severity {
            Severity::Error => MietteSeverity::Error,
            Severity::Warning => MietteSeverity::Warning,
            Severity::Advice => MietteSeverity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|s| s as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// Draws one diagnostic, with the source lines, for a terminal or a pipe.
pub fn draw(diagnostic: &Diagnostic, sources: &SourceMap, color: bool, width: usize) -> String {
    let main_file: Option<FileId> = diagnostic.span().map(|s| s.file);
    let file = main_file.and_then(|f| sources.file(f));
    let mut help: Vec<String> = diagnostic.help.iter().cloned().collect();
    if let Some(fix) = &diagnostic.fix {
        help.push(format!("fix: {}", fix.title));
    }
    for label in diagnostic.labels.iter().filter(|l| Some(l.span.file) != main_file) {
        help.push(format!("{}: {}", sources.locate(label.span), label.text));
    }
    let drawn = Drawn {
        diagnostic,
        // miette draws no label at the very end of a text, so one newline is added (zkat/miette#277).
        source: file.map(|f| NamedSource::new(f.name.as_ref(), format!("{}\n", f.text))),
        labels: diagnostic
            .labels
            .iter()
            .filter(|l| Some(l.span.file) == main_file)
            .map(|l| {
                let text = (!l.text.is_empty()).then(|| l.text.clone());
                LabeledSpan::new(text, l.span.start as usize, (l.span.len() as usize).max(1))
            })
            .collect(),
        help: (!help.is_empty()).then(|| help.join("\n")),
    };
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(width.clamp(60, 140)).with_links(false);
    let mut out = String::new();
    match handler.render_report(&mut out, &drawn) {
        Ok(()) => out,
        Err(fmt::Error) => plain(diagnostic, sources),
    }
}

/// `edge.pal:3:5: error[P0101]: unknown token`: one line, for logs and where drawing fails.
pub fn plain(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let place = diagnostic.span().map(|s| format!("{}: ", sources.locate(s))).unwrap_or_default();
    format!("{place}{}[{}]: {}\n", diagnostic.severity.as_str(), diagnostic.code, diagnostic.message)
}

/// A diagnostic in machine output.
#[derive(Debug, Serialize)]
pub struct DiagnosticRecord {
    code: &'static str,
    severity: &'static str,
    message: String,
    labels: Vec<LabelRecord>,
    help: Option<String>,
    fix: Option<FixRecord>,
}

#[derive(Debug, Serialize)]
struct LabelRecord {
    #[serde(flatten)]
    place: PlaceRecord,
    text: String,
}

#[derive(Debug, Serialize)]
struct FixRecord {
    title: String,
    #[serde(flatten)]
    place: PlaceRecord,
    replacement: String,
}

#[derive(Debug, Serialize)]
struct PlaceRecord {
    file: String,
    line: u32,
    column: u32,
    start_byte: u32,
    end_byte: u32,
}

fn place(span: Span, sources: &SourceMap) -> PlaceRecord {
    let at = sources.locate(span);
    PlaceRecord {
        file: at.file.to_string(),
        line: at.line,
        column: at.column,
        start_byte: span.start,
        end_byte: span.end,
    }
}

/// The machine form of a diagnostic.
pub fn record(diagnostic: &Diagnostic, sources: &SourceMap) -> DiagnosticRecord {
    DiagnosticRecord {
        code: diagnostic.code,
        severity: diagnostic.severity.as_str(),
        message: diagnostic.message.clone(),
        labels: diagnostic
            .labels
            .iter()
            .map(|l| LabelRecord { place: place(l.span, sources), text: l.text.clone() })
            .collect(),
        help: diagnostic.help.clone(),
        fix: diagnostic.fix.as_ref().map(|f| FixRecord {
            title: f.title.clone(),
            place: place(f.span, sources),
            replacement: f.replacement.clone(),
        }),
    }
}
