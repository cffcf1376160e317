//! `palisade tokens`, `explain`, `schema`, `completions`, `man`: reference pages.

use clap::CommandFactory;
use serde::Serialize;

use super::Session;
use crate::base::codes::{self, CodeDoc};
use crate::cli::args::{Cli, CompletionsArgs, ExplainArgs, Format, SchemaArgs, TokensArgs};
use crate::cli::exit::Exit;
use crate::inventory::catalogue::{self, Token, TokenType};
use crate::repl::table;
use crate::report::schema as schemas;
use crate::run::ask::type_word;
use crate::run::error::{Result, RunError, hint};

#[derive(Serialize)]
struct TokenRecord {
    name: &'static str,
    aliases: &'static [&'static str],
    #[serde(rename = "type")]
    ty: &'static str,
    values: &'static [&'static str],
    many: bool,
    provider: Option<&'static str>,
    doc: &'static str,
    example: &'static str,
    path: &'static str,
    source: &'static str,
}

#[derive(Serialize)]
struct TokensRecord {
    schema: &'static str,
    tokens: Vec<TokenRecord>,
}

fn token_record(token: &Token) -> TokenRecord {
    TokenRecord {
        name: token.name,
        aliases: token.aliases,
        ty: type_word(token.ty),
        values: match token.ty {
            TokenType::Enum(values) => values,
            TokenType::Keyword
            | TokenType::Text
            | TokenType::Number
            | TokenType::Date
            | TokenType::Bool
            | TokenType::Ip => &[],
        },
        many: token.many,
        provider: token.provider.map(|p| p.as_str()),
        doc: token.doc,
        example: token.example,
        path: token.path,
        source: token.source,
    }
}

/// Lists tokens; one token in full where the pattern names one.
pub fn tokens(session: &Session, args: &TokensArgs) -> Result<Exit> {
    let pattern = args.pattern.as_deref().unwrap_or("");
    let tokens: Vec<&Token> = catalogue::tokens().iter().filter(|t| chosen(t, pattern)).collect();
    if tokens.is_empty() {
        return Err(RunError::Unknown {
            kind: "token",
            name: pattern.to_owned(),
            hint: hint(pattern, catalogue::tokens().iter().map(|t| t.name)),
        });
    }
    match (session.output.format, tokens.as_slice()) {
        (Format::Json, tokens) => session.output.json(&TokensRecord {
            schema: "palisade/tokens/1",
            tokens: tokens.iter().map(|t| token_record(t)).collect(),
        }),
        (Format::Jsonl, tokens) => tokens.iter().for_each(|t| session.output.json_line(&token_record(t))),
        (Format::Text, [only]) => session.output.data(&token_page(only)),
        (Format::Text, tokens) => {
            let rows: Vec<Vec<String>> = tokens
                .iter()
                .map(|t| {
                    let many = if t.many { "many" } else { "one" };
                    vec![t.name.into(), type_word(t.ty).into(), many.into(), t.doc.into()]
                })
                .collect();
            session.output.data(&table::draw(&["token", "type", "values", "meaning"], &rows, session.output.look()));
        }
    }
    Ok(Exit::Clean)
}

fn chosen(token: &Token, pattern: &str) -> bool {
    let pattern = pattern.to_lowercase();
    if catalogue::tokens().iter().any(|t| t.name.eq_ignore_ascii_case(&pattern)) {
        return token.name.eq_ignore_ascii_case(&pattern);
    }
    let name = token.name.to_lowercase();
    match pattern.strip_suffix('*') {
        Some(front) => name.starts_with(front),
        None => name.contains(&pattern) || token.aliases.iter().any(|a| a.to_lowercase().contains(&pattern)),
    }
}

fn token_page(token: &Token) -> String {
    let record = token_record(token);
    let mut page = format!("{}\n  {}\n\n", token.name, token.doc);
    let many = if token.many { "several values" } else { "one value" };
    page.push_str(&format!("  type      {} ({many})\n", record.ty));
    if !record.values.is_empty() {
        page.push_str(&format!("  values    {}\n", record.values.join(" ")));
    }
    if !token.aliases.is_empty() {
        page.push_str(&format!("  aliases   {}\n", token.aliases.join(", ")));
    }
    page.push_str(&format!(
        "  example   {}\n  from      {}\n  attested  {}\n",
        token.example, token.path, token.source
    ));
    page
}

#[derive(Serialize)]
struct CodeRecord {
    schema: &'static str,
    code: &'static str,
    title: &'static str,
    explanation: &'static str,
}

fn code_record(doc: &CodeDoc) -> CodeRecord {
    CodeRecord { schema: "palisade/code/1", code: doc.code, title: doc.title, explanation: doc.explanation }
}

/// Explains one code, or lists all.
pub fn explain(session: &Session, args: &ExplainArgs) -> Result<Exit> {
    let Some(code) = &args.code else {
        match session.output.format {
            Format::Text => {
                let rows: Vec<Vec<String>> = codes::all().map(|c| vec![c.code.into(), c.title.into()]).collect();
                session.output.data(&table::draw(&["code", "meaning"], &rows, session.output.look()));
            }
            Format::Json | Format::Jsonl => codes::all().for_each(|c| session.output.json_line(&code_record(c))),
        }
        return Ok(Exit::Clean);
    };
    let Some(doc) = codes::find(code) else {
        return Err(RunError::Unknown {
            kind: "code",
            name: code.clone(),
            hint: "; `palisade explain` lists them all".into(),
        });
    };
    match session.output.format {
        Format::Text => session.output.data(&format!("{}: {}\n\n{}\n", doc.code, doc.title, doc.explanation.trim())),
        Format::Json | Format::Jsonl => session.output.json(&code_record(doc)),
    }
    Ok(Exit::Clean)
}

/// Prints a JSON Schema, or lists the kinds.
pub fn schema(session: &Session, args: &SchemaArgs) -> Result<Exit> {
    let Some(kind) = &args.kind else {
        for kind in schemas::kinds() {
            session.output.data(&format!("{kind}\n"));
        }
        return Ok(Exit::Clean);
    };
    let Some(text) = schemas::schema(kind) else {
        return Err(RunError::Unknown { kind: "schema", name: kind.clone(), hint: hint(kind, schemas::kinds()) });
    };
    session.output.data(text);
    Ok(Exit::Clean)
}

/// Prints a completion script.
pub fn completions(session: &Session, args: &CompletionsArgs) -> Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "palisade", &mut text);
    session.output.data(&String::from_utf8_lossy(&text));
    Ok(Exit::Clean)
}

/// Prints the manual page in roff, with a section for each command.
pub fn man(session: &Session) -> Result<Exit> {
    let mut text = Vec::new();
    let failed = |source| RunError::File { action: "write", path: "man page".into(), source };
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(failed)?;
    for sub in command.get_subcommands() {
        let name = format!("palisade {}", sub.get_name());
        let page = clap_mangen::Man::new(sub.clone().bin_name(name));
        page.render_synopsis_section(&mut text).map_err(failed)?;
        page.render_description_section(&mut text).map_err(failed)?;
        page.render_options_section(&mut text).map_err(failed)?;
    }
    session.output.data(&String::from_utf8_lossy(&text));
    Ok(Exit::Clean)
}
