//! `policy "x" fails "a" { open = [22] }` in a `test` block: what a policy says of an asset that answers so.

use super::Context;
use super::connector::no_new_errors;
use super::profile::port_list;
use super::reader::{choose, wrong};
use crate::base::nearest::did_you_mean;
use crate::base::source::Spanned;
use crate::lang::job::{Expectation, ImaginedAnswers, PolicyWord};
use crate::lang::syntax::ast::{Attr, Entry, Node, NodeKind, Statement};

const WORDS: &[(&str, PolicyWord)] = &[
    ("passes", PolicyWord::Passes),
    ("fails", PolicyWord::Fails),
    ("waived", PolicyWord::Waived),
    ("unknown", PolicyWord::Unknown),
    ("ignores", PolicyWord::Ignores),
];
const KEYS: &[&str] = &["open", "udp", "tls", "certificate_days", "redirects_to", "severity", "says"];
const HELP: &str = "write policy \"name\" fails \"id\" { open = [22, 443] }; it passes, fails, is waived or unknown, or \
    ignores the asset";

pub(super) fn lower(s: &Statement, context: &mut Context<'_>) -> Option<Expectation> {
    let before = context.found.len();
    let (policy, says, asset, body) = match (s.operands.as_slice(), &s.body) {
        (
            [
                Node { kind: NodeKind::Text(policy), span },
                word @ Node { kind: NodeKind::Word(_), .. },
                Node { kind: NodeKind::Text(asset), span: at },
            ],
            Some(body),
        ) => {
            let says = choose("policy", word, WORDS, context)?;
            (Spanned::new(policy.clone(), *span), says, Spanned::new(asset.clone(), *at), body)
        }
        _ => return context.fail("P0225", "this is not how a policy is tested".into(), s.span, HELP),
    };
    context.refer("policy", &policy);
    let mut answers = ImaginedAnswers::default();
    let mut open = false;
    for entry in body {
        let Entry::Attr(attr) = entry else { continue };
        open |= attr.key.value == "open";
        read(attr, &mut answers, context);
    }
    if !open {
        let help = "write open = [443], or open = [] for a host with no open port";
        context.fail::<()>("P0207", "`open` is missing".into(), s.keyword.span, help);
    }
    let answers = Box::new(answers);
    no_new_errors(before, context).then_some(Expectation::PolicySays { policy, asset, says, answers, span: s.span })
}

fn read(attr: &Attr, answers: &mut ImaginedAnswers, context: &mut Context<'_>) {
    let (key, node) = (attr.key.value.as_str(), &attr.value);
    let number = |most: i64| match node.kind {
        NodeKind::Number(n) if (0..=most).contains(&n) => Some(n),
        _ => None,
    };
    match (key, &node.kind) {
        ("open", _) => answers.open = port_list(key, node, context).unwrap_or_default(),
        ("udp", _) => answers.udp = port_list(key, node, context),
        ("tls", NodeKind::Word(word)) if word == "none" => answers.tls = Some((0, 0)),
        ("tls", NodeKind::Text(text)) if version(text).is_some() => answers.tls = version(text),
        ("tls", _) => wrong(key, node, "a version such as \"1.2\", or none", context),
        ("certificate_days", _) => match number(100_000) {
            Some(days) => answers.certificate_days = u32::try_from(days).ok(),
            None => wrong(key, node, "a number of days", context),
        },
        ("redirects_to", _) => answers.redirects = choose(key, node, &[("https", true), ("none", false)], context),
        ("severity", _) => match number(5) {
            Some(n @ 1..) => answers.severity = u8::try_from(n).ok(),
            _ => wrong(key, node, "a number from 1 to 5", context),
        },
        ("says", NodeKind::Text(text)) => answers.says = Some(Spanned::new(text.clone(), node.span)),
        ("says", _) => wrong(key, node, "a text", context),
        _ => {
            let help =
                did_you_mean(key, KEYS.iter().copied()).unwrap_or_else(|| format!("keys are {}", KEYS.join(", ")));
            context.fail::<()>("P0202", format!("a policy test has no key `{key}`"), attr.key.span, help);
        }
    }
}

fn version(text: &str) -> Option<(u8, u8)> {
    let (major, minor) = text.trim().split_once('.')?;
    let version: (u8, u8) = (major.parse().ok()?, minor.parse().ok()?);
    (version.0 == 1 && version.1 <= 3).then_some(version)
}
