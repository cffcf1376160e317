//! Editor services as plain records: completion, hover, highlighting, names. They read half-written texts, so they
//! stand on the tolerant lexer instead of the parser: they never fail, and take linear time.

mod complete;
mod highlight;
mod hover;
mod place;
mod query;
mod symbol;

use crate::inventory::catalogue::TokenId;
use crate::lang::job::Program;

pub use complete::{Completion, CompletionKind, complete};
pub use highlight::{HighlightKind, highlight};
pub use hover::{Hover, hover};
pub use symbol::{Reference, Symbol, reference_at, symbols};

/// What language a text is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// One query.
    #[default]
    Query,
    /// A job file.
    Job,
}

/// The values of a token in an inventory, most frequent first, each with the number of assets that have it.
pub type ValuesOf<'a> = &'a dyn Fn(TokenId) -> Vec<(String, u64)>;

/// What the services know besides the text.
#[derive(Clone, Default)]
pub struct IdeContext<'a> {
    /// The text's language.
    pub mode: Mode,
    /// Names of connectors.
    pub connectors: Vec<String>,
    /// Names of tags.
    pub tags: Vec<String>,
    /// Names of profiles.
    pub profiles: Vec<String>,
    /// Names of channels.
    pub channels: Vec<String>,
    /// Names of scans.
    pub scans: Vec<String>,
    /// Names of `let` definitions.
    pub lets: Vec<String>,
    /// Values found in the inventory at hand, where there is one.
    pub values: Option<ValuesOf<'a>>,
}

impl std::fmt::Debug for IdeContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdeContext").field("mode", &self.mode).field("tags", &self.tags).finish_non_exhaustive()
    }
}

impl IdeContext<'_> {
    /// The names of a checked program.
    pub fn of_program(program: &Program, mode: Mode) -> Self {
        Self {
            mode,
            connectors: program.connectors.iter().map(|c| c.name.value.clone()).collect(),
            tags: program.tags.iter().map(|t| t.name.value.clone()).collect(),
            profiles: program.profiles.iter().map(|p| p.name.value.clone()).collect(),
            channels: program.channels.iter().map(|c| c.name.value.clone()).collect(),
            scans: program.scans.iter().map(|s| s.name.value.clone()).collect(),
            lets: program.lets.keys().chain(program.values.keys()).cloned().collect(),
            values: None,
        }
    }

    /// Known names of a kind of block, or of `let`.
    fn names(&self, kind: &str) -> &[String] {
        match kind {
            "connector" => &self.connectors,
            "tag" => &self.tags,
            "profile" => &self.profiles,
            "channel" => &self.channels,
            "scan" => &self.scans,
            "let" => &self.lets,
            _ => &[],
        }
    }
}

/// The largest character boundary at or before an offset.
fn boundary(text: &str, offset: u32) -> usize {
    let mut at = (offset as usize).min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

/// The text in quotes without them, escapes resolved; a missing closing quote is no matter.
fn unquoted(text: &str) -> String {
    let mut chars = text.chars();
    let Some(quote) = chars.next() else { return String::new() };
    let mut out = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c if c == quote || (c == '\u{201d}' && quote != '"') => break,
            c => out.push(c),
        }
    }
    out
}
