//! The token catalogue: one row a token. Parser, checker, evaluator, completion, hover and the reference page all
//! read this one table.

use super::asset::Provider;
use super::partition::Kind;

/// Index of a token in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u16);

/// A token's declared type decides how values match. language.md 2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// A closed vocabulary; the slice holds the canonical values.
    Enum(&'static [&'static str]),
    /// Ids, regions, groups, tag keys and values: whole values.
    Keyword,
    /// Names and titles: words.
    Text,
    /// Whole numbers.
    Number,
    /// Instants, UTC.
    Date,
    /// `true` or `false`.
    Bool,
    /// IPv4 and IPv6 addresses.
    Ip,
}

/// One row of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    /// Canonical name, `azure.vm.publicIpAddress`.
    pub name: &'static str,
    /// Other spellings, accepted with a lint.
    pub aliases: &'static [&'static str],
    /// Type.
    pub ty: TokenType,
    /// True where an asset can have several values.
    pub many: bool,
    /// The provider whose assets alone have it.
    pub provider: Option<Provider>,
    /// The kinds of partition that must have been read for its absence to mean absence.
    pub needs: &'static [Kind],
    /// What it means, one line.
    pub doc: &'static str,
    /// An example query.
    pub example: &'static str,
    /// Where the value stands in a provider's answer.
    pub path: &'static str,
    /// Who attests the token: `guide`, `rule`, `filter`, `model`, `ours`.
    pub source: &'static str,
}

impl Token {
    /// The group whose elements a same-element test ranges over: the name up to the last dot, `aws.tags` of
    /// `aws.tags.key`; the empty string for tokens without a dot.
    pub fn group(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(group, _)| group)
    }
}
