//! `policy "x" { … }`: expected exposure as code. product.md F5.

use super::Context;
use super::connector::no_new_errors;
use super::profile::port_list;
use super::reader::Reader;
use crate::base::port_set::PortSet;
use crate::base::source::{Span, Spanned};
use crate::lang::job::Protocol;
use crate::lang::policy::{Policy, Requirement, Rule};
use crate::lang::syntax::ast::{Attr, Block, Entry, Node, NodeKind, Statement};

pub(super) fn lower(block: &Block, context: &mut Context<'_>) -> Option<Policy> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let scope = match reader.node("scope") {
        Some(Node { kind: NodeKind::Query(query), .. }) => context.query(query, None),
        _ => None,
    };
    let rules = reader
        .statements()
        .filter_map(|s| match s.keyword.value.as_str() {
            "expect" => expect(s, context),
            "deny" => deny(s, context),
            "otherwise" => otherwise(s, context),
            "waive" => waive(s, context),
            // Other words were told when the block was opened.
            _ => None,
        })
        .collect();
    no_new_errors(before, context).then(|| Policy { name: reader.name(), scope, rules, span: block.span })
}

fn word(node: &Node) -> Option<&str> {
    match &node.kind {
        NodeKind::Word(w) => Some(w),
        _ => None,
    }
}

fn bad<T>(s: &Statement, wanted: &str, context: &mut Context<'_>) -> Option<T> {
    let verb = &s.keyword.value;
    context.fail("P0225", format!("this is not how `{verb}` is written"), s.span, format!("write {wanted}"))
}

/// `tcp 443`, `udp [53, 123]`.
fn protocol_ports(s: &Statement, context: &mut Context<'_>) -> Option<(Protocol, PortSet)> {
    let protocol = match s.operands.first().and_then(word) {
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        _ => return None,
    };
    let ports = port_list("port", s.operands.get(1)?, context)?;
    Some((protocol, ports))
}

fn expect(s: &Statement, context: &mut Context<'_>) -> Option<Rule> {
    let before = context.found.len();
    let Some((protocol, ports)) = protocol_ports(s, context) else {
        return if no_new_errors(before, context) { bad(s, "expect tcp 443 { … }", context) } else { None };
    };
    if s.operands.len() > 2 {
        return bad(s, "expect tcp 443 { … }", context);
    }
    let requirements = attrs(s).filter_map(|a| requirement(a, context)).collect();
    Some(Rule::Expect { protocol, ports, requirements, span: s.span })
}

fn attrs(s: &Statement) -> impl Iterator<Item = &Attr> {
    s.body.iter().flatten().filter_map(|e| match e {
        Entry::Attr(a) => Some(a),
        Entry::Block(_) | Entry::Statement(_) | Entry::Broken(_) => None,
    })
}

fn requirement(attr: &Attr, context: &mut Context<'_>) -> Option<Spanned<Requirement>> {
    let requirement = match (attr.key.value.as_str(), &attr.value.kind) {
        ("tls", NodeKind::Text(text)) => tls(text),
        ("certificate_days", NodeKind::Number(n)) => u32::try_from(*n).ok().map(Requirement::CertificateDays),
        ("redirects_to", NodeKind::Word(w)) if w == "https" => Some(Requirement::RedirectsToHttps),
        ("tls" | "certificate_days" | "redirects_to", _) => None,
        (other, _) => {
            let help = "it may hold tls = \">= 1.2\", certificate_days = 30, redirects_to = https";
            return context.fail("P0202", format!("an expect block has no key `{other}`"), attr.key.span, help);
        }
    };
    match requirement {
        Some(requirement) => Some(Spanned::new(requirement, attr.span)),
        None => {
            let help = "write tls = \">= 1.2\", certificate_days = 30 or redirects_to = https";
            context.fail("P0208", format!("`{}` has another shape", attr.key.value), attr.value.span, help)
        }
    }
}

/// `>= 1.2`.
fn tls(text: &str) -> Option<Requirement> {
    let (major, minor) = text.trim().strip_prefix(">=")?.trim().split_once('.')?;
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    (major == 1 && minor <= 3).then_some(Requirement::TlsAtLeast(major, minor))
}

fn deny(s: &Statement, context: &mut Context<'_>) -> Option<Rule> {
    let wanted = "deny port [22, 3389] severity 4 \"why\", or deny severity >= 4";
    let mut rest = s.operands.as_slice();
    let message = match rest.split_last() {
        Some((Node { kind: NodeKind::Text(text), .. }, front)) => {
            rest = front;
            Some(text.clone())
        }
        _ => None,
    };
    let level = |n: &Node| match n.kind {
        NodeKind::Number(n @ 1..=5) => Some(n as u8),
        _ => None,
    };
    match rest {
        [a, op, n] if word(a) == Some("severity") && word(op) == Some(">=") => match level(n) {
            Some(at_least) => Some(Rule::DenySeverity { at_least, message, span: s.span }),
            None => bad(s, wanted, context),
        },
        [what, ports, more @ ..] => {
            let protocol = match word(what) {
                Some("port") => None,
                Some("tcp") => Some(Protocol::Tcp),
                Some("udp") => Some(Protocol::Udp),
                _ => return bad(s, wanted, context),
            };
            let ports = port_list("port", ports, context)?;
            let severity = match more {
                [] => 3,
                [a, n] if word(a) == Some("severity") => match level(n) {
                    Some(level) => level,
                    None => return bad(s, wanted, context),
                },
                _ => return bad(s, wanted, context),
            };
            Some(Rule::DenyPorts { protocol, ports, severity, message, span: s.span })
        }
        _ => bad(s, wanted, context),
    }
}

fn otherwise(s: &Statement, context: &mut Context<'_>) -> Option<Rule> {
    match s.operands.as_slice() {
        [only] if word(only) == Some("nothing") => Some(Rule::OtherwiseNothing { span: s.span }),
        _ => bad(s, "otherwise nothing", context),
    }
}

fn waive(s: &Statement, context: &mut Context<'_>) -> Option<Rule> {
    let wanted = "waive tcp 8443 on tags.name: \"legacy\" { owner = \"…\"; reason = \"…\"; until = 2026-12-31 }";
    let before = context.found.len();
    let Some((protocol, ports)) = protocol_ports(s, context) else {
        return if no_new_errors(before, context) { bad(s, wanted, context) } else { None };
    };
    let on = match s.operands.get(2) {
        Some(Node { kind: NodeKind::Query(query), .. }) => Some(Box::new(context.query(query, None)?)),
        None => None,
        Some(_) => return bad(s, wanted, context),
    };
    let text = |key: &str, context: &mut Context<'_>| match attrs(s).find(|a| a.key.value == key).map(|a| &a.value.kind)
    {
        Some(NodeKind::Text(text)) => Some(text.clone()),
        _ => missing(key, s.span, context),
    };
    let owner = text("owner", context);
    let reason = text("reason", context);
    let until = match attrs(s).find(|a| a.key.value == "until").map(|a| &a.value.kind) {
        Some(NodeKind::Date(day)) => Some(*day),
        _ => missing("until", s.span, context),
    };
    for attr in attrs(s).filter(|a| !["owner", "reason", "until"].contains(&a.key.value.as_str())) {
        let message = format!("a waiver has no key `{}`", attr.key.value);
        context.fail::<()>("P0202", message, attr.key.span, "it has owner, reason, until");
    }
    Some(Rule::Waive { protocol, ports, on, owner: owner?, reason: reason?, until: until?, span: s.span })
}

fn missing<T>(key: &str, span: Span, context: &mut Context<'_>) -> Option<T> {
    let help =
        "a waiver names who answers for it, why, and until when: owner = \"…\"; reason = \"…\"; until = 2026-12-31";
    context.fail("P0207", format!("`{key}` is missing"), span, help)
}
