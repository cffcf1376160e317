//! Where text goes: data to standard output, everything else to standard error. The only file of the command line that
//! prints, so that a closed pipe is handled in one place.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::args::{ColorWhen, Format, Global};
use crate::base::diagnostic::{Diagnostic, Severity};
use crate::base::source::SourceMap;
use crate::repl::table::Look;

use super::render;

/// How this process talks.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Output format.
    pub format: Format,
    /// No notices, no progress.
    pub quiet: bool,
    /// Levels of detail.
    pub verbose: u8,
    stdout_color: bool,
    stderr_color: bool,
    stdout_terminal: bool,
    width: u16,
}

impl Output {
    /// From the options and what the streams are.
    pub fn new(global: &Global) -> Self {
        let color = |terminal: bool| match global.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        let stdout_terminal = io::stdout().is_terminal();
        Self {
            format: global.format.plain().unwrap_or(Format::Text),
            quiet: global.quiet,
            verbose: global.verbose,
            stdout_color: color(stdout_terminal),
            stderr_color: color(io::stderr().is_terminal()),
            stdout_terminal,
            width: width(),
        }
    }

    /// Whether progress bars make sense.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Whether standard output takes colours.
    pub fn colors(&self) -> bool {
        self.stdout_color
    }

    /// How tables are drawn.
    pub fn look(&self) -> Look {
        if self.stdout_terminal { Look::Terminal(self.width) } else { Look::Plain }
    }

    /// Data for people or machines, on standard output. Control characters are made visible: names come from outside,
    /// and must not steer a terminal.
    pub fn data(&self, text: &str) {
        self.stdout(&tame(text));
    }

    /// A heading on standard output, bold where colours are on.
    pub fn heading(&self, text: &str) {
        self.stdout(&self.styled(&tame(text), Style::new().bold(), self.stdout_color));
        self.stdout("\n");
    }

    fn stdout(&self, text: &str) {
        // A reader that went away (`| head`) is no error of ours.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }

    /// Bytes of a format of its own.
    pub fn bytes(&self, bytes: &[u8]) {
        let _ = io::stdout().lock().write_all(bytes);
    }

    /// Whether standard output is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.stdout_terminal
    }

    /// One JSON document: pretty for `json`, one line for `jsonl`.
    pub fn json(&self, value: &impl Serialize) {
        let text = match self.format {
            Format::Jsonl => serde_json::to_string(value),
            Format::Text | Format::Json => serde_json::to_string_pretty(value),
        };
        match text {
            Ok(text) => self.data(&(text + "\n")),
            Err(e) => self.error(&format!("cannot write JSON: {e}")),
        }
    }

    /// One object of `jsonl`.
    pub fn json_line(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.data(&(text + "\n")),
            Err(e) => self.error(&format!("cannot write JSON: {e}")),
        }
    }

    /// A remark on standard error; nothing with `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.stderr(&format!("{}\n", tame(text)));
        }
    }

    /// A warning on standard error; nothing with `--quiet`.
    pub fn warn(&self, text: &str) {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        if !self.quiet {
            self.stderr(&format!("{} {}\n", self.styled("warning:", style, self.stderr_color), tame(text)));
        }
    }

    /// An error on standard error, always.
    pub fn error(&self, text: &str) {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        self.stderr(&format!("{} {}\n", self.styled("error:", style, self.stderr_color), tame(text)));
    }

    /// Diagnostics, drawn on standard error; advice only with `-v`, warnings not with `--quiet`.
    pub fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &SourceMap) {
        for d in diagnostics {
            let shown = match d.severity {
                Severity::Error => true,
                Severity::Warning => !self.quiet,
                Severity::Advice => self.verbose > 0,
            };
            if shown {
                self.stderr(&render::draw(d, sources, self.stderr_color, usize::from(self.width)));
            }
        }
    }

    fn stderr(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn styled(&self, text: &str, style: Style, color: bool) -> String {
        if color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// A text without control characters other than line ends and tabulators.
fn tame(text: &str) -> Cow<'_, str> {
    let wild = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(wild) { text.replace(wild, "\u{fffd}").into() } else { text.into() }
}

/// Columns of the terminal: `COLUMNS`, else what indicatif's terminal says, else 100.
fn width() -> u16 {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|c| c.parse().ok())
        .or_else(|| comfy_table::Table::new().width())
        .unwrap_or(100)
        .clamp(60, 400)
}
