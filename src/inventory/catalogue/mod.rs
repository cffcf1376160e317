//! The token catalogue: one row a token. Parser, checker, evaluator, completion, hover and the reference page all
//! read this one table.

mod aws;
mod azure;
mod gcp;
mod general;
pub mod ids;
pub mod state;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::asset::Provider;
use super::partition::Kind;
use crate::base::nearest::nearest;

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

/// Shorthand for the rows of the tables.
const fn row(name: &'static str, ty: TokenType, many: bool, doc: &'static str, example: &'static str) -> Token {
    Token { name, aliases: &[], ty, many, provider: None, needs: &[], doc, example, path: "", source: "model" }
}

impl Token {
    const fn of(mut self, provider: Provider, needs: &'static [Kind]) -> Self {
        self.provider = Some(provider);
        self.needs = needs;
        self
    }

    const fn path(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn seen(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    const fn needs(mut self, needs: &'static [Kind]) -> Self {
        self.needs = needs;
        self
    }
}

const COUNT: usize = aws::TOKENS.len() + azure::TOKENS.len() + gcp::TOKENS.len() + general::TOKENS.len();

#[expect(clippy::indexing_slicing, reason = "runs at compile time only, where an index out of range is a build error")]
const fn concatenate() -> [Token; COUNT] {
    let parts = [aws::TOKENS, azure::TOKENS, gcp::TOKENS, general::TOKENS];
    let mut all = [aws::TOKENS[0]; COUNT];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut i = 0;
        while i < parts[part].len() {
            all[at] = parts[part][i];
            at += 1;
            i += 1;
        }
        part += 1;
    }
    all
}

/// The table as a constant, for the ids.
const ALL: [Token; COUNT] = concatenate();

static TOKENS: [Token; COUNT] = ALL;

/// Every token, provider tokens first.
pub fn tokens() -> &'static [Token] {
    &TOKENS
}

/// The row of a token. Ids come from this table only; a foreign one reads as the first row.
pub fn token(id: TokenId) -> &'static Token {
    TOKENS.get(usize::from(id.0)).unwrap_or(&TOKENS[0])
}

/// All ids, in table order.
pub fn all_ids() -> impl Iterator<Item = TokenId> {
    (0..COUNT as u16).map(TokenId)
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The canonical spelling.
    Exact(TokenId),
    /// Another spelling of this token.
    Alias(TokenId),
    /// The canonical spelling in another case.
    Case(TokenId),
    /// No token; the nearest names, if any are near.
    Unknown(Vec<&'static str>),
}

/// Looks a name up, in any case.
pub fn look_up(name: &str) -> Lookup {
    static INDEX: OnceLock<HashMap<String, (TokenId, &'static str)>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let spelled = |id: TokenId| {
            let token = token(id);
            std::iter::once(token.name).chain(token.aliases.iter().copied()).map(move |n| (n.to_lowercase(), (id, n)))
        };
        // A canonical name wins over an alias of another token.
        let mut index: HashMap<_, _> = all_ids().flat_map(spelled).collect();
        index.extend(all_ids().map(|id| (token(id).name.to_lowercase(), (id, token(id).name))));
        index
    });
    match index.get(&name.to_lowercase()) {
        Some((id, spelled)) if token(*id).name == name => {
            debug_assert_eq!(*spelled, name);
            Lookup::Exact(*id)
        }
        Some((id, spelled)) if *spelled == token(*id).name => Lookup::Case(*id),
        Some((id, _)) => Lookup::Alias(*id),
        None => Lookup::Unknown(nearest(name, TOKENS.iter().map(|t| t.name))),
    }
}

/// Tokens that a group test on this prefix ranges over: `aws.tags` gives key and value, `vulnerabilities` all that
/// start with it. Empty where no token lies below the prefix.
pub fn group(prefix: &str) -> Vec<TokenId> {
    let below = format!("{}.", prefix.to_lowercase());
    all_ids().filter(|id| token(*id).name.to_lowercase().starts_with(&below)).collect()
}

/// Other spellings of an enum token's values, such as `EC2` for the provider `AWS` and `PowerState/running`.
pub fn enum_alias(id: TokenId, text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    match token(id).name {
        "provider" => match lower.as_str() {
            "ec2" | "amazon" => Some("AWS"),
            "google" => Some("GCP"),
            _ => None,
        },
        "aws.ec2.instanceState" | "azure.vm.state" | "gcp.compute.state" => state::alias(&lower),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sound() {
        let clouds = TOKENS.iter().filter(|t| t.provider.is_some() && t.source != "ours").count();
        assert_eq!(clouds, 54, "the three clouds have 54 tokens");
        for id in all_ids() {
            let t = token(id);
            assert_eq!(look_up(t.name), Lookup::Exact(id), "{}", t.name);
            assert_eq!(look_up(&t.name.to_uppercase()), Lookup::Case(id), "{}", t.name);
            for alias in t.aliases {
                assert_eq!(look_up(alias), Lookup::Alias(id), "{alias}");
            }
            assert!(!t.doc.is_empty() && t.example.contains(t.name.rsplit('.').next().unwrap()), "{}", t.name);
            assert!(!t.path.is_empty(), "{}", t.name);
        }
        assert_eq!(look_up("azure.vm.publicIP"), Lookup::Unknown(vec![]));
        assert_eq!(look_up("azure.vm.publicIpAdress"), Lookup::Unknown(vec!["azure.vm.publicIpAddress"]));
        assert_eq!(group("aws.tags").len(), 2);
    }
}
