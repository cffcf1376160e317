//! Line editing: completion of tokens, values, tag and scan names; highlighting; multi-line input; history.

use std::borrow::Cow;
use std::io;

use nu_ansi_term::{Color, Style};
use reedline::{
    ColumnarMenu, Completer, CompletionResult, DefaultHinter, Emacs, FileBackedHistory, Highlighter, KeyCode,
    KeyModifiers, MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, Span, StyledText, Suggestion, ValidationResult, Validator,
    default_emacs_keybindings,
};

use crate::inventory::catalogue::{self, Lookup, TokenType};
use crate::lang::analyze::schema;
use crate::lang::syntax::lexer::{Kind, is_keyword, lexemes};

/// Commands, for completion.
const COMMANDS: &[&str] =
    &["count", "explain", "help", "load", "plan", "quit", "rhai", "run", "tokens", "values", "why"];
/// Lines of history kept.
const HISTORY: usize = 1_000;

/// Names of the workspace, for completion.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) tags: Vec<String>,
    pub(super) scans: Vec<String>,
}

/// True where a line opens a job item: a block's keyword, then a name or a brace.
pub(super) fn opens_item(line: &str) -> bool {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim_start();
    (schema::TOP.contains(&word) && (rest.starts_with('"') || rest.starts_with('{')))
        || (word == "let" && rest.contains('='))
}

/// True where all brackets and quotes of the text are closed, and it does not end in an operator.
pub(super) fn is_complete(text: &str) -> bool {
    let lexed = lexemes(text);
    let mut depth = 0i64;
    for lexeme in &lexed {
        match lexeme.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            Kind::Quoted { closed: false } | Kind::Comment { closed: false } => return false,
            _ => {}
        }
    }
    let last = lexed.iter().rev().find(|l| l.kind != Kind::Newline).map_or("", |l| l.text(text));
    depth <= 0 && !["and", "or", "not"].iter().any(|w| last.eq_ignore_ascii_case(w))
}

/// Words of a command line; double quotes keep spaces.
pub(super) fn words(text: &str) -> Vec<String> {
    lexemes_by_space(text).into_iter().map(|w| w.trim_matches('"').to_owned()).collect()
}

/// What follows the first word.
pub(super) fn after_first(text: &str) -> &str {
    let text = text.trim_start();
    let first = lexemes_by_space(text).into_iter().next().map_or(0, |w| w.len());
    text.get(first..).unwrap_or("").trim()
}

fn lexemes_by_space(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in text.chars() {
        if c == '"' {
            quoted = !quoted;
        }
        if c.is_whitespace() && !quoted {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else {
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

struct Words {
    names: Names,
}

impl Words {
    /// What may stand at the end of a line, and where the word that it replaces begins.
    fn candidates(&self, line: &str) -> (usize, Vec<String>) {
        if let Some(command) = line.strip_prefix(':') {
            return match command.split_once(' ') {
                None => (1, COMMANDS.iter().map(|c| (*c).to_owned()).collect()),
                Some(("plan" | "run" | "why", _)) => (
                    line.rfind(' ').map_or(0, |i| i + 1),
                    self.names.scans.iter().map(|s| format!("\"{s}\"")).collect(),
                ),
                Some(_) => (line.rfind(' ').map_or(0, |i| i + 1), tokens()),
            };
        }
        let lexed = lexemes(line);
        let touching =
            lexed.last().filter(|l| l.end == line.len() && matches!(l.kind, Kind::Word | Kind::Quoted { .. }));
        let start = touching.map_or(line.len(), |l| l.start);
        let before: Vec<&str> = lexed.iter().filter(|l| l.end <= start).map(|l| l.text(line)).collect();
        if let [.., token, ":"] = before.as_slice() {
            return (start, self.values(token));
        }
        let mut all = tokens();
        all.extend(["and", "or", "not", "is null", "is not null", "in"].iter().map(|k| (*k).to_owned()));
        (start, all)
    }

    fn values(&self, token: &str) -> Vec<String> {
        if token == "tags.name" {
            return self.names.tags.iter().map(|t| format!("\"{t}\"")).collect();
        }
        match catalogue::look_up(token) {
            Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => match catalogue::token(id).ty {
                TokenType::Enum(values) => values.iter().map(|v| (*v).to_owned()).collect(),
                TokenType::Bool => vec!["true".into(), "false".into()],
                TokenType::Date => vec!["now".into(), "now-7d".into(), "now-30d".into()],
                TokenType::Keyword | TokenType::Text | TokenType::Number | TokenType::Ip => Vec::new(),
            },
            Lookup::Unknown(_) => Vec::new(),
        }
    }
}

fn tokens() -> Vec<String> {
    catalogue::tokens().iter().map(|t| t.name.to_owned()).collect()
}

impl Completer for Words {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let line = line.get(..pos).unwrap_or(line);
        let (start, candidates) = self.candidates(line);
        let typed = line.get(start..).unwrap_or("").to_lowercase();
        let found: Vec<Suggestion> = candidates
            .into_iter()
            .filter(|c| c.to_lowercase().starts_with(&typed))
            .map(|value| Suggestion { value, span: Span::new(start, pos), ..Suggestion::default() })
            .collect();
        CompletionResult::fresh(found)
    }
}

struct Paint;

impl Highlighter for Paint {
    fn highlight(&self, line: &str, _: usize) -> StyledText {
        let mut text = StyledText::new();
        let mut at = 0;
        for lexeme in lexemes(line) {
            text.push((Style::new(), line.get(at..lexeme.start).unwrap_or("").to_owned()));
            let word = lexeme.text(line);
            let style = match lexeme.kind {
                Kind::Word if is_keyword(word) => Style::new().fg(Color::Purple),
                Kind::Word if !matches!(catalogue::look_up(word), Lookup::Unknown(_)) => Style::new().fg(Color::Cyan),
                Kind::Quoted { closed: true } => Style::new().fg(Color::Green),
                Kind::Quoted { closed: false } | Kind::Unknown => Style::new().fg(Color::Red),
                Kind::Comment { .. } => Style::new().dimmed(),
                Kind::Word | Kind::Operator | Kind::Open | Kind::Close | Kind::Newline => Style::new(),
            };
            text.push((style, word.to_owned()));
            at = lexeme.end;
        }
        text.push((Style::new(), line.get(at..).unwrap_or("").to_owned()));
        text
    }
}

struct Whole;

impl Validator for Whole {
    fn validate(&self, line: &str) -> ValidationResult {
        if is_complete(line) { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

struct Sign;

impl Prompt for Sign {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "palisade".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "  . ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failing = if matches!(search.status, PromptHistorySearchStatus::Failing) { "failing " } else { "" };
        format!("({failing}search: {}) ", search.term).into()
    }
}

/// An editor with completion on the tabulator key.
pub(super) fn editor(names: Names, color: bool) -> Reedline {
    let mut keys = default_emacs_keybindings();
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu("words".into()), ReedlineEvent::MenuNext]),
    );
    let menu = ColumnarMenu::default().with_name("words");
    let mut editor = Reedline::create()
        .with_completer(Box::new(Words { names }))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_validator(Box::new(Whole))
        // One candidate is put in at once, and so is what all candidates have in common.
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_ansi_colors(color);
    if color {
        editor = editor.with_highlighter(Box::new(Paint)).with_hinter(Box::new(DefaultHinter::default()));
    }
    // History lives for the session only: queries can name assets that are nobody's business on this machine.
    if let Ok(history) = FileBackedHistory::new(HISTORY) {
        editor = editor.with_history(Box::new(history));
    }
    editor
}

/// The next line; none at the end of the input. Ctrl-C gives an empty line.
pub(super) fn read(editor: &mut Reedline) -> io::Result<Option<String>> {
    match editor.read_line(&Sign)? {
        Signal::Success(line) => Ok(Some(line)),
        Signal::CtrlD => Ok(None),
        _ => Ok(Some(String::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completion_knows_where_it_stands() {
        let words = || Words { names: Names { tags: vec!["EC2 Tag".into()], scans: vec!["edge".into()] } };
        let shown = |line: &str| -> Vec<String> {
            words().complete(line, line.len()).suggestions().iter().map(|s| s.value.clone()).collect()
        };
        assert_eq!(shown("azure.vm.st"), ["azure.vm.state"]);
        assert_eq!(shown("azure.vm.state: RU"), ["RUNNING"]);
        assert_eq!(shown("tags.name: "), ["\"EC2 Tag\""]);
        assert_eq!(shown(":pl"), ["plan"]);
        assert_eq!(shown(":why "), ["\"edge\""]);
        assert_eq!(shown("provider: AWS an"), ["and"]);
        assert!(
            is_complete("a: 1") && !is_complete("tag \"x\" {") && !is_complete("a: 1 and") && !is_complete("a: \"x")
        );
        assert!(opens_item("tag \"x\" { }") && !opens_item("name: x") && opens_item("let a = b: c"));
        assert_eq!(words_of(":x"), Vec::<String>::new());
        assert_eq!(super::words("\"AWS EC2\" i-1"), ["AWS EC2", "i-1"]);
        assert_eq!(after_first("\"a b\" name: x"), "name: x");
    }

    fn words_of(_: &str) -> Vec<String> {
        super::words("  ")
    }
}
