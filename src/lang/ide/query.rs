//! Where in a query a lexeme stands: a small state machine over lexemes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::inventory::catalogue::{self, Token};
use crate::lang::syntax::lexer::{Kind, Lexeme, is_keyword};

/// What may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A term, `not`, `(` or `@`.
    Operand,
    /// After this token: an operator.
    Operator(Arc<str>),
    /// A value of this token.
    Value(Arc<str>),
    /// After `is`.
    Is,
    /// After `in`, for this token.
    In(Arc<str>),
    /// After a whole term.
    Joint,
    /// After `@`.
    Reference,
}

/// An open bracket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    /// The token whose parts are tested in it: `token: (part: x and …)`, and every bracket inside that.
    group: Option<Arc<str>>,
    /// The token whose values stand in it: `token: [a, b]`, `token: (a or b)`.
    values: Option<Arc<str>>,
}

/// The state between two lexemes of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueryWalk {
    pub(super) step: Step,
    open: Vec<Open>,
}

/// Names are looked up for each word of a text, so look-up takes constant time and never searches for near names.
fn names() -> &'static HashMap<String, Option<&'static Token>> {
    static NAMES: OnceLock<HashMap<String, Option<&'static Token>>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let groups = catalogue::tokens().iter().map(|t| (t.group().to_lowercase(), None));
        let mut names: HashMap<_, _> = groups.filter(|(name, _)| !name.is_empty()).collect();
        let aliases =
            catalogue::tokens().iter().flat_map(|t| t.aliases.iter().map(move |a| (a.to_lowercase(), Some(t))));
        names.extend(aliases);
        names.extend(catalogue::tokens().iter().map(|t| (t.name.to_lowercase(), Some(t))));
        names
    })
}

/// Longer words are no names.
const MAX_NAME_BYTES: usize = 64;

fn named(name: &str) -> Option<Option<&'static Token>> {
    (name.len() <= MAX_NAME_BYTES).then(|| names().get(&name.to_lowercase()).copied()).flatten()
}

/// A token by any of its spellings.
pub(super) fn known_token(name: &str) -> Option<&'static Token> {
    named(name).flatten()
}

/// A token, or the name of a group of tokens.
pub(super) fn is_name(name: &str) -> bool {
    named(name).is_some()
}

/// `aws.tags` and its like: what a group test can be made on.
fn is_group(name: &str) -> bool {
    is_name(name) && !catalogue::group(name).is_empty()
}

impl QueryWalk {
    pub(super) const fn new() -> Self {
        Self { step: Step::Operand, open: Vec::new() }
    }

    /// The token whose parts are tested here, empty outside groups.
    pub(super) fn group(&self) -> &str {
        self.open.last().and_then(|o| o.group.as_deref()).unwrap_or("")
    }

    /// The full name of a token as written here.
    pub(super) fn full_name(&self, word: &str) -> Arc<str> {
        let group = self.group();
        if !group.is_empty() && word.len() <= MAX_NAME_BYTES {
            let full = format!("{group}.{word}");
            if known_token(&full).is_some() {
                return full.into();
            }
        }
        word.into()
    }

    /// Whether the query cannot end here, so that a line end does not end it.
    pub(super) fn goes_on(&self) -> bool {
        !self.open.is_empty() || !matches!(self.step, Step::Joint | Step::Operator(_))
    }

    pub(super) fn push(&mut self, lexeme: &Lexeme, source: &str) {
        let text = lexeme.text(source);
        let next = match lexeme.kind {
            Kind::Comment { .. } | Kind::Newline | Kind::Unknown => return,
            Kind::Word => self.word(text),
            Kind::Quoted { .. } => Step::Joint,
            Kind::Open => self.opened(text),
            Kind::Close => {
                self.open.pop();
                Step::Joint
            }
            Kind::Operator => self.operator(text),
        };
        self.step = next;
    }

    fn word(&self, word: &str) -> Step {
        if word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or") {
            return match self.values() {
                Some(token) => Step::Value(token.clone()),
                None => Step::Operand,
            };
        }
        match &self.step {
            Step::Operand if is_keyword(word) => Step::Operand,
            Step::Operand => Step::Operator(self.full_name(word)),
            Step::Operator(_) if word.eq_ignore_ascii_case("is") => Step::Is,
            Step::Operator(token) if word.eq_ignore_ascii_case("in") => Step::In(token.clone()),
            Step::Operator(_) => Step::Operator(self.full_name(word)),
            Step::Is if word.eq_ignore_ascii_case("not") => Step::Is,
            Step::Is | Step::Value(_) | Step::Reference | Step::Joint | Step::In(_) => Step::Joint,
        }
    }

    fn values(&self) -> Option<&Arc<str>> {
        self.open.last().and_then(|o| o.values.as_ref())
    }

    fn opened(&mut self, bracket: &str) -> Step {
        let outer = self.open.last().and_then(|o| o.group.clone());
        let (open, step) = match &self.step {
            Step::Value(token) if bracket == "(" && is_group(token) => {
                (Open { group: Some(token.clone()), values: None }, Step::Operand)
            }
            Step::Value(token) | Step::In(token) => {
                (Open { group: outer, values: Some(token.clone()) }, Step::Value(token.clone()))
            }
            _ => (Open { group: outer, values: None }, Step::Operand),
        };
        self.open.push(open);
        step
    }

    fn operator(&self, operator: &str) -> Step {
        match (operator, &self.step, self.values()) {
            ("@", ..) => Step::Reference,
            ("," | ".." | "...", _, Some(token)) => Step::Value(token.clone()),
            (":" | "=" | "!=" | ">" | ">=" | "<" | "<=", Step::Operator(token) | Step::Value(token), _) => {
                Step::Value(token.clone())
            }
            (_, step, _) => step.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::syntax::lexer::lexemes;

    fn after(text: &str) -> Step {
        let mut walk = QueryWalk::new();
        for lexeme in lexemes(text) {
            walk.push(&lexeme, text);
        }
        walk.step
    }

    #[test]
    fn steps() {
        let state: Arc<str> = "azure.vm.state".into();
        assert_eq!(after(""), Step::Operand);
        assert_eq!(after("not ("), Step::Operand);
        assert_eq!(after("azure.vm.state"), Step::Operator(state.clone()));
        assert_eq!(after("azure.vm.state:"), Step::Value(state.clone()));
        assert_eq!(after("azure.vm.state: [A, "), Step::Value(state.clone()));
        assert_eq!(after("azure.vm.state: (A or "), Step::Value(state.clone()));
        assert_eq!(after("azure.vm.state in"), Step::In(state));
        assert_eq!(after("name is not"), Step::Is);
        assert_eq!(after("name is null"), Step::Joint);
        assert_eq!(after("name: x and"), Step::Operand);
        assert_eq!(after("name: and"), Step::Operand);
        assert_eq!(after("aws.tags: (key"), Step::Operator("aws.tags.key".into()));
        assert_eq!(after("aws.tags: (key: x) and @"), Step::Reference);
        assert_eq!(after("vulnerabilities.severity: [1 .. "), Step::Value("vulnerabilities.severity".into()));
    }
}
