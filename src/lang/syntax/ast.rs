//! The tree of a parsed text. It says what was written, not that it makes sense: names are unresolved, types are
//! unchecked. Every node has its span; comments are kept beside the tree for the formatter.

use jiff::civil::{Date, DateTime};

use crate::base::addr_set::AddrRange;
use crate::base::source::{FileId, Span, Spanned};

// ---- queries (language.md 2) ----

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Its expression.
    pub expr: Expr,
    /// From the first to the last character.
    pub span: Span,
}

/// A boolean expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Two or more operands joined by `or` at one level.
    Or(Vec<Expr>),
    /// Two or more operands joined by `and` at one level.
    And(Vec<Expr>),
    /// `not x`; the span covers keyword and operand.
    Not(Box<Expr>, Span),
    /// `( x )`, kept for the formatter and the mixed-level lint.
    Paren(Box<Expr>, Span),
    /// A test of one token.
    Term(Term),
    /// `@NAME`.
    Ref(Spanned<String>),
    /// A value without a token: free text.
    Free(Scalar),
}

impl Expr {
    /// The text it covers.
    pub fn span(&self) -> Span {
        match self {
            Self::Or(parts) | Self::And(parts) => match (parts.first(), parts.last()) {
                (Some(a), Some(b)) => a.span().join(b.span()),
                _ => Span::default(),
            },
            Self::Not(_, span) | Self::Paren(_, span) => *span,
            Self::Term(term) => term.span,
            Self::Ref(name) => name.span,
            Self::Free(value) => value.span,
        }
    }
}

/// `token: value` and its kin.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Token as written. Inside a group this is relative to the group's token.
    pub token: Spanned<String>,
    /// The test.
    pub test: Test,
    /// The whole term.
    pub span: Span,
}

/// What a term asks of its token.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `is null`, or `is not null`.
    IsNull {
        /// True for `is not null`.
        negated: bool,
    },
    /// `: value`.
    Is(Scalar),
    /// `> value` and its kin; also `: > value`.
    Compare(CompareOp, Scalar),
    /// `: [a, b]`, `in [a, b]`.
    AnyOf(Vec<Scalar>),
    /// `: [a .. b]` or `: (a .. b)`.
    Range {
        /// Lower end; none for `*`.
        low: Option<Scalar>,
        /// Upper end; none for `*`.
        high: Option<Scalar>,
        /// True for square brackets.
        inclusive: bool,
    },
    /// `: (a: x and b: y)`, one element matches all.
    Group(Box<Expr>),
    /// `: (x or y)`, a group of bare alternatives, all values.
    Alternatives(Vec<Scalar>),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
}

/// How a value was quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quote {
    /// `westus`
    Bare,
    /// `"westus"`
    Double,
    /// `'westus'`
    Single,
    /// `` `westus` ``
    Backtick,
    /// Typographic double quotes, read as double quotes.
    Curly,
}

/// A value as written in a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// The text without quotes, escapes resolved.
    pub text: String,
    /// Byte offsets in `text` of `*` that stand for "anything" (unescaped, and not inside backticks).
    pub wildcards: Vec<u32>,
    /// How it was quoted.
    pub quote: Quote,
    /// With the quotes.
    pub span: Span,
}

// ---- job files (language.md 1) ----

/// A parsed `*.pal` file. Broken items are reported and left out; the rest is here.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Which file.
    pub file: FileId,
    /// Top-level items in the order written.
    pub items: Vec<Item>,
    /// All comments in the order written.
    pub comments: Vec<Comment>,
}

/// A comment with its marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    /// With `#`, `//` or `/* */`.
    pub span: Span,
}

/// A top-level item.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `scan "x" { … }`.
    Block(Block),
    /// `let NAME = value`.
    Let(Attr),
    /// Text that could not be parsed; its error was reported.
    Broken(Span),
}

/// A block, top-level or nested: `kind "label" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its keyword.
    pub kind: Spanned<String>,
    /// Its name.
    pub label: Option<Spanned<String>>,
    /// What stands in the braces, in order.
    pub entries: Vec<Entry>,
    /// From keyword to closing brace.
    pub span: Span,
}

/// Something in a block.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// `key = value`.
    Attr(Attr),
    /// A nested block.
    Block(Block),
    /// `expect tcp 443 { … }`, `deny …`, `otherwise nothing`, `waive …`: words, values and an optional block.
    Statement(Statement),
    /// Text that could not be parsed; its error was reported.
    Broken(Span),
}

/// `key = value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Attr {
    /// The key.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
    /// Key to value.
    pub span: Span,
}

/// A statement of a `policy` or `test` block: a keyword, then operands, then an optional block.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// `expect`, `deny`, `otherwise`, `waive`, or in a test `tag`, `scan`, `asset`.
    pub keyword: Spanned<String>,
    /// Words and values in order. What follows `on` in a waiver is one [`NodeKind::Query`].
    pub operands: Vec<Node>,
    /// The block's entries, where there is one.
    pub body: Option<Vec<Entry>>,
    /// The whole statement.
    pub span: Span,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub kind: NodeKind,
    /// The place.
    pub span: Span,
}

/// A value of a job file.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// A bare word: `aws`, `vpc_all`, `true`, `>=`.
    Word(String),
    /// A quoted string, escapes resolved.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `99.9%`, in thousandths of a percent: 99900.
    Percent(u32),
    /// `1h30m`.
    Duration(std::time::Duration),
    /// `10000/s`.
    Rate(u32),
    /// `10MB`, in bytes.
    Size(u64),
    /// `2026-12-31`.
    Date(Date),
    /// `2026-03-30T00:00[America/Los_Angeles]`.
    DateTime {
        /// Civil time as written.
        civil: DateTime,
        /// IANA zone name as written.
        zone: Option<String>,
    },
    /// `203.0.113.0/28`, `198.51.100.7`, `198.51.100.1-198.51.100.9`.
    Addresses(AddrRange),
    /// `8000-8100`.
    Ports(u16, u16),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `env("X")`, `top(1000)`, `tcp(80, 443)`.
    Call {
        /// The name before the parenthesis.
        name: Spanned<String>,
        /// What stands in it.
        args: Vec<Node>,
    },
    /// Words and values in a row, where the key allows it: `any ["EC2 Tag"]`, `internal ["a"]`, `1 day`,
    /// `1 week on [mon, fri]`, `1 month on last sunday`.
    Phrase(Vec<Node>),
    /// A query, at the keys that hold one, and in `let` where it is not a plain value.
    Query(Query),
}
