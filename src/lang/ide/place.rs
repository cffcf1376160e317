//! Where in a text a lexeme stands: in which block, at a key, in the value of which key, in a query. One pass over
//! lexemes with an explicit stack; any text has a place.

use super::Mode;
use super::query::QueryWalk;
use crate::lang::analyze::schema::{self, BlockSchema, Key, QUERY_KEYS, StatementSchema};
use crate::lang::syntax::lexer::{Kind, Lexeme};

/// A block that is open.
#[derive(Debug, Clone, Default)]
struct Frame<'t> {
    kind: &'t str,
    statement: Option<&'static StatementSchema>,
    seen: Vec<&'t str>,
}

impl Frame<'_> {
    fn keys(&self) -> &'static [Key] {
        match self.statement {
            Some(statement) => statement.keys,
            None => schema::of(self.kind).map_or(&[], |b| b.keys),
        }
    }
}

#[derive(Debug, Clone)]
enum Entry<'t> {
    Start,
    /// After a first word that is no verb: a key or the kind of a block.
    Head {
        label: bool,
    },
    Statement {
        schema: &'static StatementSchema,
        operands: u32,
        brackets: u32,
    },
    Value {
        key: &'t str,
        brackets: u32,
        empty: bool,
    },
    /// `paused` after a line end that may end it.
    Query {
        walk: QueryWalk,
        paused: bool,
    },
}

/// What stands at a place.
#[derive(Debug)]
pub(super) enum Place<'w> {
    /// The start of a top-level item.
    Top,
    /// The start of an entry of a block; the schema is none for unknown blocks.
    Entry { keys: &'static [Key], block: Option<&'static BlockSchema>, seen: &'w [&'w str] },
    /// After the first word of an item or entry, before its name; `depth` blocks are open.
    Name { head: &'w str, depth: usize },
    /// After the name: only `{` can follow.
    Named,
    /// Words of a statement.
    Operand { statement: &'static StatementSchema, operands: u32 },
    /// The value of a key; the row is none for unknown keys.
    Value { key: Option<&'static Key>, in_list: bool },
    /// A query.
    Query(&'w QueryWalk),
}

/// The state between two lexemes.
#[derive(Debug, Clone)]
pub(super) struct Walk<'t> {
    source: &'t str,
    mode: Mode,
    frames: Vec<Frame<'t>>,
    head: &'t str,
    verb: Option<&'static StatementSchema>,
    entry: Entry<'t>,
}

impl<'t> Walk<'t> {
    pub(super) fn new(source: &'t str, mode: Mode) -> Self {
        let entry = match mode {
            Mode::Query => Entry::Query { walk: QueryWalk::new(), paused: false },
            Mode::Job => Entry::Start,
        };
        Self { source, mode, frames: Vec::new(), head: "", verb: None, entry }
    }

    /// What stands after the lexemes pushed so far.
    pub(super) fn place(&self) -> Place<'_> {
        match &self.entry {
            Entry::Query { walk, paused: false } => Place::Query(walk),
            Entry::Start | Entry::Query { .. } => match self.frames.last() {
                None => Place::Top,
                Some(frame) => Place::Entry {
                    keys: frame.keys(),
                    block: if frame.statement.is_some() { None } else { schema::of(frame.kind) },
                    seen: &frame.seen,
                },
            },
            Entry::Head { label: false } => Place::Name { head: self.head, depth: self.frames.len() },
            Entry::Head { label: true } => Place::Named,
            Entry::Statement { schema, operands, .. } => Place::Operand { statement: schema, operands: *operands },
            Entry::Value { key, brackets, .. } => Place::Value {
                key: self.frames.last().and_then(|f| f.keys().iter().find(|k| k.name == *key)),
                in_list: *brackets > 0,
            },
        }
    }

    /// Whether the word at a paused query would go on with it.
    pub(super) fn resumes(&self, word: &str) -> bool {
        matches!(self.entry, Entry::Query { paused: true, .. })
            && (word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or"))
    }

    pub(super) fn push(&mut self, lexeme: &Lexeme) {
        let text = lexeme.text(self.source);
        match (lexeme.kind, self.mode) {
            (Kind::Comment { .. } | Kind::Unknown, _) => {}
            (_, Mode::Query) => {
                if let Entry::Query { walk, .. } = &mut self.entry {
                    walk.push(lexeme, self.source);
                }
            }
            (Kind::Newline, _) => self.line_end(),
            (Kind::Open, _) if text == "{" => self.open_block(),
            (Kind::Close, _) if text == "}" => {
                self.frames.pop();
                self.head = "";
                self.verb = None;
                self.entry = Entry::Start;
            }
            (Kind::Operator, _) if text == ";" => self.entry = Entry::Start,
            _ => self.inner(lexeme, text),
        }
    }

    fn line_end(&mut self) {
        match &mut self.entry {
            Entry::Query { walk, paused } => *paused = !walk.goes_on(),
            Entry::Statement { brackets: 0, .. } | Entry::Value { brackets: 0, empty: false, .. } => {
                self.entry = Entry::Start;
            }
            Entry::Start | Entry::Head { .. } | Entry::Statement { .. } | Entry::Value { .. } => {}
        }
    }

    fn open_block(&mut self) {
        let (kind, statement) = (std::mem::take(&mut self.head), self.verb.take());
        if let Some(frame) = self.frames.last_mut().filter(|_| statement.is_none()) {
            frame.seen.push(kind);
        }
        self.frames.push(Frame { kind, statement, seen: Vec::new() });
        self.entry = Entry::Start;
    }

    fn inner(&mut self, lexeme: &Lexeme, text: &'t str) {
        if matches!(self.entry, Entry::Query { paused: true, .. }) && !self.resumes(text) {
            self.entry = Entry::Start;
        }
        let step: i32 = match lexeme.kind {
            Kind::Open => 1,
            Kind::Close => -1,
            _ => 0,
        };
        match &mut self.entry {
            Entry::Query { walk, paused } => {
                *paused = false;
                walk.push(lexeme, self.source);
            }
            Entry::Value { brackets, empty, .. } => {
                *brackets = brackets.saturating_add_signed(step);
                *empty = false;
            }
            Entry::Statement { schema, operands, brackets } => {
                if schema.verb == "waive" && text == "on" && *brackets == 0 {
                    self.entry = Entry::Query { walk: QueryWalk::new(), paused: false };
                    return;
                }
                *brackets = brackets.saturating_add_signed(step);
                *operands = operands.saturating_add(u32::from(*brackets == 0));
            }
            Entry::Head { label } => match lexeme.kind {
                Kind::Quoted { .. } => *label = true,
                Kind::Operator if text == "=" => self.equals(),
                _ => {}
            },
            Entry::Start => {
                if lexeme.kind == Kind::Word {
                    self.first_word(text);
                }
            }
        }
    }

    fn first_word(&mut self, word: &'t str) {
        let block = self.frames.last().filter(|f| f.statement.is_none()).map(|f| f.kind);
        self.head = word;
        self.verb = block.and_then(|b| schema::statement(b, word));
        self.entry = match self.verb {
            Some(schema) => Entry::Statement { schema, operands: 0, brackets: 0 },
            None => Entry::Head { label: false },
        };
    }

    fn equals(&mut self) {
        let is_let = self.frames.is_empty() && self.head == "let";
        if let Some(frame) = self.frames.last_mut() {
            frame.seen.push(self.head);
        }
        self.entry = if is_let || QUERY_KEYS.contains(&self.head) {
            Entry::Query { walk: QueryWalk::new(), paused: false }
        } else {
            Entry::Value { key: self.head, brackets: 0, empty: true }
        };
    }
}

/// A number, a duration, a rate, a date, an address: what begins with a digit.
pub(super) fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    digits.starts_with(|c: char| c.is_ascii_digit())
}
