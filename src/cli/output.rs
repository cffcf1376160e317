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

/// Bytes of output kept back before they are written.
const OUT_BYTES: usize = 64 << 10;

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

    /// One JSON document: pretty for `json`, one line for `jsonl`. It goes out while it is formed: the results of
    /// 65,536 hosts are 40 MB.
    pub fn json(&self, value: &impl Serialize) {
        let tame = Tame { to: io::stdout().lock(), cut: Vec::new() };
        let mut out = io::BufWriter::with_capacity(OUT_BYTES, tame);
        let written = match self.format {
            Format::Jsonl => serde_json::to_writer(&mut out, value),
            Format::Text | Format::Json => serde_json::to_writer_pretty(&mut out, value),
        };
        match written.map_err(io::Error::from).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
            // A reader that went away (`| head`) is no error of ours.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
            Err(e) => self.error(&format!("cannot write JSON: {e}")),
            Ok(()) => {}
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

/// Nearly every text is tame already, and bytes are told faster than characters: the control characters are those below
/// a blank, DEL, and U+0080 to U+009F, which all begin with the byte 0xC2.
fn may_be_wild(b: u8) -> bool {
    (b < b' ' && b != b'\n' && b != b'\t') || b == 0x7f || b == 0xc2
}

/// Whole pieces without an early end are told sixteen bytes at a time.
fn any_wild(bytes: &[u8]) -> bool {
    bytes.chunks(1_024).any(|piece| piece.iter().fold(false, |found, b| found | may_be_wild(*b)))
}

/// A text without control characters other than line ends and tabulators.
fn tame(text: &str) -> Cow<'_, str> {
    if !any_wild(text.as_bytes()) {
        return text.into();
    }
    let wild = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(wild) { text.replace(wild, "\u{fffd}").into() } else { text.into() }
}

/// Tames what passes through it, in pieces cut anywhere.
struct Tame<W> {
    to: W,
    /// The beginning of a character whose rest is still to come.
    cut: Vec<u8>,
}

impl<W: Write> Write for Tame<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without a doubtful byte nothing has to be decoded.
        if self.cut.is_empty() && !any_wild(bytes) {
            self.to.write_all(bytes)?;
            return Ok(bytes.len());
        }
        self.cut.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.cut) {
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            _ => self.cut.len(),
        };
        let rest = self.cut.split_off(whole);
        self.to.write_all(tame(&String::from_utf8_lossy(&self.cut)).as_bytes())?;
        self.cut = rest;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
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
