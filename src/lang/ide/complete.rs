//! Completion: what can stand at the cursor and begins with what is typed.

use std::collections::BTreeSet;
use std::ops::Range;

use super::hover::type_name;
use super::place::{Place, Walk};
use super::query::{QueryWalk, Step, known_token};
use super::symbol::{symbols, token_names};
use super::{IdeContext, Mode, boundary};
use crate::inventory::catalogue::{self, TokenType};
use crate::inventory::region::AWS_REGIONS;
use crate::lang::analyze::schema::{self, BlockSchema, Key};
use crate::lang::syntax::lexer::{Kind, Lexeme, is_keyword, lexemes};

/// What a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompletionKind {
    /// A token of a query.
    Token,
    /// A value.
    Value,
    /// A word of the language.
    Keyword,
    /// A key of a block.
    Key,
    /// A block.
    Block,
    /// The name of something defined.
    Name,
}

/// One offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Bytes of the text to replace.
    pub replace: Range<u32>,
    /// What to put there.
    pub insert: String,
    /// What to show.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// What it means, one line; may be empty.
    pub doc: String,
}

/// At most this many are offered.
const MAX_OFFERS: usize = 200;

struct Offer {
    label: String,
    insert: String,
    kind: CompletionKind,
    doc: String,
    /// A text: it may stand in quotes, and is what an open quote asks for.
    text: bool,
}

fn offer(label: &str, insert: &str, kind: CompletionKind, doc: &str) -> Offer {
    Offer { label: label.to_owned(), insert: insert.to_owned(), kind, doc: doc.to_owned(), text: false }
}

/// Everything that can stand at an offset, best first: what begins with the typed part before what has it at the
/// start of a later word (`state` finds `azure.vm.state`). Nothing inside comments.
pub fn complete(text: &str, offset: u32, context: &IdeContext<'_>) -> Vec<Completion> {
    let at = boundary(text, offset);
    let before = text.get(..at).unwrap_or("");
    let mut pieces = lexemes(before);
    let last = pieces.last().copied();
    let partial = match last {
        Some(l) if l.end == at && in_comment(&l, before) => return Vec::new(),
        Some(l) if l.end == at && matches!(l.kind, Kind::Word | Kind::Quoted { closed: false }) => pieces.pop(),
        _ => None,
    };
    let mut walk = Walk::new(before, context.mode);
    for piece in &pieces {
        walk.push(piece);
    }
    let typed = partial.map_or("", |p| p.text(before));
    let quote = partial.filter(|p| p.kind != Kind::Word).and_then(|_| typed.chars().next());
    let wanted = quote.and_then(|q| typed.strip_prefix(q)).unwrap_or(typed).to_lowercase();
    let mut offers = offers(text, &walk, context);
    offers.retain(|o| o.text || quote.is_none());
    let replace = partial.map_or(at, |p| p.start) as u32..word_end(text, at, quote) as u32;
    let mut ranked: Vec<(u8, Offer)> = offers.into_iter().filter_map(|o| Some((rank(&o.label, &wanted)?, o))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut seen = BTreeSet::new();
    ranked
        .into_iter()
        .filter(|(_, o)| seen.insert(o.label.clone()))
        .take(MAX_OFFERS)
        .map(|(_, o)| Completion {
            replace: replace.clone(),
            insert: match quote {
                Some(quote) => format!("{quote}{}{quote}", escaped(&o.label, quote)),
                None => o.insert,
            },
            label: o.label,
            kind: o.kind,
            doc: o.doc,
        })
        .collect()
}

fn in_comment(lexeme: &Lexeme, source: &str) -> bool {
    match lexeme.kind {
        Kind::Comment { closed } => !closed || !lexeme.text(source).starts_with("/*"),
        _ => false,
    }
}

/// The end of the word that the cursor stands in; with an open quote, past its end where that follows at once.
fn word_end(text: &str, at: usize, quote: Option<char>) -> usize {
    let rest = text.get(at..).unwrap_or("");
    let word = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
    match quote {
        None => at + word,
        Some(quote) => {
            let after = rest.get(word..).unwrap_or("");
            if after.starts_with(quote) { at + word + quote.len_utf8() } else { at }
        }
    }
}

fn escaped(text: &str, quote: char) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c == quote || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// 0 for the start, 1 for the start of a later part (after a dot, a space, a dash, a hump); none otherwise.
fn rank(label: &str, wanted: &str) -> Option<u8> {
    let lower = label.to_lowercase();
    if lower.starts_with(wanted) {
        return Some(0);
    }
    let mut previous = ' ';
    for (at, c) in label.char_indices() {
        let starts = !previous.is_alphanumeric() || (c.is_uppercase() && previous.is_lowercase());
        let here = label.get(at..).unwrap_or("").to_lowercase();
        if starts && c.is_alphanumeric() && here.starts_with(wanted) {
            return Some(1);
        }
        previous = c;
    }
    None
}

fn offers(text: &str, walk: &Walk<'_>, context: &IdeContext<'_>) -> Vec<Offer> {
    match walk.place() {
        Place::Top => {
            let blocks = schema::TOP.iter().filter_map(|kind| schema::of(kind));
            let mut found: Vec<Offer> = blocks.map(block).collect();
            found.push(offer("let", "let ", CompletionKind::Keyword, "names a value or a query"));
            found
        }
        Place::Entry { keys, block, seen } => entry(keys, block, seen),
        Place::Name { .. } | Place::Named => Vec::new(),
        Place::Operand { statement, operands } => {
            let mut found: Vec<Offer> = words(statement.words);
            if operands == 0 && !statement.refers.is_empty() {
                found = names(statement.refers, text, context);
            }
            found
        }
        Place::Value { key: Some(key), in_list } => value(key, in_list, text, context),
        Place::Value { key: None, .. } => Vec::new(),
        Place::Query(query) => in_query(query, text, context),
    }
}

fn block(schema: &BlockSchema) -> Offer {
    let insert = if schema.named { format!("{} \"", schema.kind) } else { format!("{} {{", schema.kind) };
    offer(schema.kind, &insert, CompletionKind::Block, schema.doc)
}

fn entry(keys: &[Key], schema: Option<&BlockSchema>, seen: &[&str]) -> Vec<Offer> {
    let fresh = |name: &str| !seen.contains(&name);
    // What the block cannot do without comes first.
    let mut ordered: Vec<&Key> = keys.iter().filter(|k| fresh(k.name)).collect();
    ordered.sort_by_key(|k| !k.required);
    let mut found: Vec<Offer> =
        ordered.iter().map(|k| offer(k.name, &format!("{} = ", k.name), CompletionKind::Key, k.doc)).collect();
    if let Some(schema) = schema {
        found.extend(schema.blocks.iter().filter(|b| fresh(b)).filter_map(|b| schema::of(b)).map(block));
        let verbs = schema.statements.iter().filter_map(|verb| schema::statement(schema.kind, verb));
        found.extend(verbs.map(|s| offer(s.verb, &format!("{} ", s.verb), CompletionKind::Keyword, s.doc)));
    }
    found
}

fn words(words: &[&str]) -> Vec<Offer> {
    words.iter().map(|w| offer(w, w, CompletionKind::Keyword, "")).collect()
}

fn value(key: &Key, in_list: bool, text: &str, context: &IdeContext<'_>) -> Vec<Offer> {
    let mut found = if in_list { words(key.in_list) } else { words(key.words) };
    if !in_list {
        let lists = key.in_list.iter().map(|w| offer(w, &format!("[{w}]"), CompletionKind::Keyword, ""));
        // The days of a recurrence stand after `on`, in a list or alone.
        found.extend(lists.filter(|_| key.words.is_empty()));
    }
    for offer in &mut found {
        offer.doc = key.doc.to_owned();
    }
    found.extend(names(key.refers, text, context));
    found
}

/// Defined names of a kind, from the context and from the text itself.
fn names(kind: &str, text: &str, context: &IdeContext<'_>) -> Vec<Offer> {
    if kind == "region" {
        return AWS_REGIONS.iter().map(|(code, name)| named(code, name)).collect();
    }
    if kind.is_empty() {
        return Vec::new();
    }
    let mut found: BTreeSet<String> = context.names(kind).iter().cloned().collect();
    if context.mode == Mode::Job {
        found.extend(symbols(text).into_iter().filter(|s| s.kind == kind).map(|s| s.name));
    }
    if kind == "profile" {
        found.insert("Initial Options".to_owned());
    }
    found.iter().map(|name| named(name, kind)).collect()
}

fn named(name: &str, doc: &str) -> Offer {
    let insert = format!("\"{}\"", escaped(name, '"'));
    Offer { text: true, ..offer(name, &insert, CompletionKind::Name, doc) }
}

fn in_query(query: &QueryWalk, text: &str, context: &IdeContext<'_>) -> Vec<Offer> {
    match &query.step {
        Step::Operand => operand(query.group(), text, context),
        Step::Operator(token) => operators(token),
        Step::Value(token) => values(token, text, context),
        Step::Is => words(&["null", "not null"]),
        Step::In(_) => words(&["["]),
        Step::Joint => words(&["and", "or"]),
        Step::Reference => {
            names("let", text, context).into_iter().map(|o| Offer { insert: o.label.clone(), ..o }).collect()
        }
    }
}

fn operand(group: &str, text: &str, context: &IdeContext<'_>) -> Vec<Offer> {
    let in_group = catalogue::group(group).into_iter().map(|id| {
        let row = catalogue::token(id);
        let part = row.name.get(group.len() + 1..).unwrap_or(row.name);
        offer(part, part, CompletionKind::Token, row.doc)
    });
    let mut found: Vec<Offer> = in_group.collect();
    if group.is_empty() {
        found.extend(catalogue::tokens().iter().map(|t| {
            let doc = format!("{} ({})", t.doc, type_name(t.ty));
            offer(t.name, t.name, CompletionKind::Token, &doc)
        }));
        let lets = names("let", text, context);
        found
            .extend(lets.into_iter().map(|o| offer(&format!("@{}", o.label), &format!("@{}", o.label), o.kind, "let")));
    }
    found.push(offer("not", "not ", CompletionKind::Keyword, "the complement of the test that follows"));
    found
}

fn operators(token: &str) -> Vec<Offer> {
    let Some(row) = known_token(token) else {
        return if catalogue::group(token).is_empty() { words(&["and", "or"]) } else { words(&[": ("]) };
    };
    let mut found = words(&[":", "is null", "is not null", "in ["]);
    if matches!(row.ty, TokenType::Number | TokenType::Date) {
        found.extend(words(&[">", ">=", "<", "<=", "=", "!="]));
    }
    found
}

fn values(token: &str, text: &str, context: &IdeContext<'_>) -> Vec<Offer> {
    let kind = token_names(token);
    let mut found: Vec<Offer> = names(kind, text, context);
    let Some(row) = known_token(token) else { return found };
    let fixed: &[&str] = match row.ty {
        TokenType::Enum(values) => values,
        TokenType::Bool => &["true", "false"],
        TokenType::Date => &["now", "now-1d", "now-7d", "now-30d"],
        TokenType::Keyword | TokenType::Text | TokenType::Number | TokenType::Ip => &[],
    };
    found.extend(fixed.iter().map(|v| query_value(v, row.name)));
    if let (Some(values), catalogue::Lookup::Exact(id)) = (context.values, catalogue::look_up(row.name)) {
        found.extend(values(id).into_iter().map(|(value, assets)| query_value(&value, &format!("{assets} assets"))));
    }
    found
}

/// A value, in quotes where a bare word would not do.
fn query_value(value: &str, doc: &str) -> Offer {
    let bare = !value.is_empty()
        && !is_keyword(value)
        && !value.contains("..")
        && value.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '@' | '+'));
    let insert = if bare { value.to_owned() } else { format!("\"{}\"", escaped(value, '"')) };
    Offer { text: true, ..offer(value, &insert, CompletionKind::Value, doc) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::catalogue::TokenId;

    fn context(mode: Mode) -> IdeContext<'static> {
        IdeContext {
            mode,
            connectors: vec!["conn1".into()],
            tags: vec!["EC2 Tag".into(), "web".into()],
            profiles: vec!["Fast".into()],
            channels: vec!["secops".into()],
            scans: vec!["edge".into()],
            lets: vec!["mine".into()],
            values: None,
        }
    }

    /// Inserted texts at the `|`.
    fn at(marked: &str, mode: Mode) -> Vec<String> {
        let offset = marked.find('|').unwrap();
        let text = marked.replacen('|', "", 1);
        complete(&text, offset as u32, &context(mode)).into_iter().map(|c| c.insert).collect()
    }

    /// The text after taking the first offer.
    fn taken(marked: &str, mode: Mode) -> String {
        let offset = marked.find('|').unwrap();
        let mut text = marked.replacen('|', "", 1);
        let first = complete(&text, offset as u32, &context(mode)).remove(0);
        text.replace_range(first.replace.start as usize..first.replace.end as usize, &first.insert);
        text
    }

    #[test]
    fn queries() {
        assert_eq!(at("azure.vm.publicIpA|", Mode::Query), ["azure.vm.publicIpAddress"]);
        assert!(at("|", Mode::Query).contains(&"@mine".to_owned()));
        assert!(at("sta|", Mode::Query).contains(&"azure.vm.state".to_owned()));
        assert!(at("runn|", Mode::Query).is_empty());
        assert_eq!(at("azure.vm.state: runn|", Mode::Query), ["RUNNING"]);
        assert_eq!(at("azure.vm.state: \"runn|", Mode::Query), ["\"RUNNING\""]);
        assert_eq!(at("provider in [AWS, a|", Mode::Query), ["AWS", "AZURE"]);
        assert_eq!(at("tags.name: |", Mode::Query), ["\"EC2 Tag\"", "\"web\""]);
        assert_eq!(at("tags.name: `E|", Mode::Query), ["`EC2 Tag`"]);
        assert_eq!(at("connectors.name: c|", Mode::Query), ["\"conn1\""]);
        assert_eq!(at("name is |", Mode::Query), ["null", "not null"]);
        assert_eq!(at("name: x a|", Mode::Query), ["and"]);
        assert_eq!(at("@m|", Mode::Query), ["mine"]);
        assert_eq!(at("aws.tags: (k|", Mode::Query), ["key"]);
        assert_eq!(at("name i|", Mode::Query), ["is null", "is not null", "in ["]);
        assert!(at("name: x # a|", Mode::Query).is_empty());
        assert!(at("name: x /* a */|", Mode::Query).contains(&"and".to_owned()));
        assert_eq!(taken("azure.vm.publicIpA|ddr and x: y", Mode::Query), "azure.vm.publicIpAddress and x: y");
    }

    #[test]
    fn job_files() {
        let kinds = at("|", Mode::Job);
        assert!(kinds.contains(&"workspace {".to_owned()) && kinds.contains(&"scan \"".to_owned()));
        assert_eq!(at("scan \"s\" { |", Mode::Job).first().map(String::as_str), Some("connector = "));
        assert_eq!(at("scan \"s\" { connector = \"conn1\"\n  con|", Mode::Job), Vec::<String>::new());
        assert_eq!(at("scan \"s\" { connector = |", Mode::Job), ["\"conn1\""]);
        assert_eq!(at("scan \"s\" { module = |\n active = true }", Mode::Job), ["vm", "pc"]);
        assert_eq!(at("scan \"s\" { tar|", Mode::Job), ["targets {"]);
        assert_eq!(at("scan \"s\" { targets { include = a|", Mode::Job), ["any", "all"]);
        assert_eq!(at("scan \"s\" { targets { include = any [\"E|", Mode::Job), ["\"EC2 Tag\""]);
        assert_eq!(
            at("tag \"new\" { assets = [\"x\"] }\nscan \"s\" { targets { exclude = all [\"n|", Mode::Job),
            ["\"new\""]
        );
        assert_eq!(
            taken("scan \"s\" { targets { exclude = all [\"we|\"] } }", Mode::Job),
            "scan \"s\" { targets { exclude = all [\"web\"] } }"
        );
        assert_eq!(at("scan \"s\" { targets { where = azure.vm.state: stopp|", Mode::Job), ["STOPPING", "STOPPED"]);
        assert_eq!(at("scan \"s\" { targets { where = name: x\n ipv|", Mode::Job), ["ipv6 = "]);
        assert_eq!(at("workspace { features = ec|", Mode::Job), ["[ec2_scanning]"]);
        assert_eq!(at("workspace { features = [cloud_perimeter, ec|", Mode::Job), ["ec2_scanning"]);
        assert_eq!(at("policy \"p\" { exp|", Mode::Job), ["expect "]);
        assert_eq!(at("policy \"p\" { expect |", Mode::Job), ["tcp", "udp"]);
        assert_eq!(at("policy \"p\" { expect tcp 443 { cert|", Mode::Job), ["certificate_days = "]);
        assert_eq!(at("policy \"p\" { waive tcp 1 on tags.name: w|", Mode::Job), ["\"web\""]);
        assert_eq!(at("policy \"p\" { waive tcp 1 on name: x { unt|", Mode::Job), ["until = "]);
        assert_eq!(at("test \"t\" { scan e|", Mode::Job), ["\"edge\""]);
        assert_eq!(at("test \"t\" { scan \"edge\" counts { id|", Mode::Job), ["identified = "]);
        assert_eq!(at("connector \"c\" { regions = [\"us-g|", Mode::Job), ["\"us-gov-east-1\"", "\"us-gov-west-1\""]);
        assert_eq!(at("scan |", Mode::Job), Vec::<String>::new());
    }

    #[test]
    fn values_of_the_inventory() {
        let values = |id: TokenId| match catalogue::token(id).name {
            "azure.vm.location" => vec![("westus".to_owned(), 2), ("east us".to_owned(), 1)],
            _ => Vec::new(),
        };
        let context = IdeContext { values: Some(&values), ..IdeContext::default() };
        let found = complete("azure.vm.location: ", 19, &context);
        let shown: Vec<(&str, &str)> = found.iter().map(|c| (c.insert.as_str(), c.doc.as_str())).collect();
        assert_eq!(shown, [("westus", "2 assets"), ("\"east us\"", "1 assets")]);
    }
}
