//! Where in a query a lexeme stands: a small state machine over lexemes.

use crate::inventory::catalogue;
use crate::lang::syntax::lexer::{Kind, Lexeme, is_keyword};

/// What may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A term, `not`, `(` or `@`.
    Operand,
    /// After this token: an operator.
    Operator(String),
    /// A value of this token.
    Value(String),
    /// After `is`.
    Is,
    /// After `in`, for this token.
    In(String),
    /// After a whole term.
    Joint,
    /// After `@`.
    Reference,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    Paren,
    /// `token: (part: x and …)`.
    Group(String),
    /// `token: [a, b]`, `token: (a or b)`.
    Values(String),
}

/// The state between two lexemes of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueryWalk {
    pub(super) step: Step,
    open: Vec<Open>,
}

/// Known tokens by any spelling; unlike the catalogue's look-up this does not search for near names.
pub(super) fn known_token(name: &str) -> Option<&'static catalogue::Token> {
    let tokens = catalogue::tokens();
    let named = tokens.iter().find(|t| t.name.eq_ignore_ascii_case(name));
    named.or_else(|| tokens.iter().find(|t| t.aliases.iter().any(|a| a.eq_ignore_ascii_case(name))))
}

impl QueryWalk {
    pub(super) const fn new() -> Self {
        Self { step: Step::Operand, open: Vec::new() }
    }

    /// The token whose parts are tested here, empty outside groups.
    pub(super) fn group(&self) -> &str {
        self.open.iter().rev().find_map(|o| if let Open::Group(g) = o { Some(g.as_str()) } else { None }).unwrap_or("")
    }

    /// The full name of a token as written here.
    pub(super) fn full_name(&self, word: &str) -> String {
        let group = self.group();
        let full = format!("{group}.{word}");
        if !group.is_empty() && known_token(&full).is_some() { full } else { word.to_owned() }
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
            return match self.open.last() {
                Some(Open::Values(token)) => Step::Value(token.clone()),
                _ => Step::Operand,
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

    fn opened(&mut self, bracket: &str) -> Step {
        let (open, step) = match &self.step {
            Step::Value(token) | Step::In(token) => {
                if bracket == "(" && !catalogue::group(token).is_empty() {
                    (Open::Group(token.clone()), Step::Operand)
                } else {
                    (Open::Values(token.clone()), Step::Value(token.clone()))
                }
            }
            _ => (Open::Paren, Step::Operand),
        };
        self.open.push(open);
        step
    }

    fn operator(&self, operator: &str) -> Step {
        match (operator, &self.step, self.open.last()) {
            ("@", ..) => Step::Reference,
            ("," | ".." | "...", _, Some(Open::Values(token))) => Step::Value(token.clone()),
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
        let state = "azure.vm.state".to_owned();
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
