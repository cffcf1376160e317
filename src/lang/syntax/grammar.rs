//! The generated parser, and spans of its pairs.

mod generated {
    use pest_derive::Parser;

    #[derive(Parser)]
    #[grammar = "grammar/lexical.pest"]
    #[grammar = "grammar/query.pest"]
    #[grammar = "grammar/job.pest"]
    pub struct Grammar;
}

pub(super) use generated::{Grammar, Rule};
use pest::Parser;
use pest::iterators::Pair;

use crate::base::source::{FileId, Span};

/// Where a slice of text stands in its file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) file: FileId,
    /// Byte offset of the slice.
    pub(super) offset: u32,
}

impl Place {
    /// A span of the file from byte offsets in the slice.
    pub(super) fn span(self, start: usize, end: usize) -> Span {
        Span::new(self.file, self.offset + start as u32, self.offset + end as u32)
    }

    /// The span of a pair.
    pub(super) fn of(self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        self.span(span.start(), span.end())
    }
}

/// Parses a slice by one rule; the error is the byte offset at which nothing fitted any more.
pub(super) fn parse(rule: Rule, text: &str) -> Result<Pair<'_, Rule>, usize> {
    match Grammar::parse(rule, text) {
        Ok(mut pairs) => pairs.next().ok_or(0),
        Err(error) => Err(match error.location {
            pest::error::InputLocation::Pos(at) => at,
            pest::error::InputLocation::Span((at, _)) => at,
        }),
    }
}
