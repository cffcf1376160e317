//! `profile "x" { … }`: the guide's option profile, rules D8, D9, F5.

use super::Context;
use super::connector::no_new_errors;
use super::reader::{Reader, choose, wrong};
use crate::base::diagnostic::Diagnostic;
use crate::base::port_set::PortSet;
use crate::base::source::Spanned;
use crate::lang::job::{Checks, Consent, DeadHosts, Ping, PortChoice, Profile};
use crate::lang::syntax::ast::{Block, Node, NodeKind};

const CONSENT: &[(&str, Consent)] =
    &[("safe", Consent::Safe), ("auth", Consent::Auth), ("odd", Consent::Odd), ("ics", Consent::Ics)];

pub(super) fn lower(block: &Block, context: &mut Context<'_>) -> Option<Profile> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let mut profile = Profile { name: reader.name(), span: Some(block.span), ..Profile::initial_options() };
    if let Some(choice) = ports(&reader, "tcp", context) {
        profile.tcp = choice;
    }
    if let Some(choice) = ports(&reader, "udp", context) {
        profile.udp = choice;
    }
    if let Some(node) = reader.node("ping") {
        profile.ping = pings(node, context);
    }
    let dead = [("scan", DeadHosts::Scan), ("skip", DeadHosts::Skip)];
    profile.dead_hosts = reader.choice("dead_hosts", &dead, context).unwrap_or(profile.dead_hosts);
    match reader.node("rate").map(|n| &n.kind) {
        Some(NodeKind::Word(word)) if word == "auto" => profile.rate = None,
        Some(_) => profile.rate = reader.rate("rate", context).or(profile.rate),
        None => {}
    }
    profile.per_host = reader.rate("per_host", context).or(profile.per_host);
    profile.per_network = reader.rate("per_network", context);
    if let Some(n) = reader.number("retries", 0..=10, context) {
        profile.retries = n as u8;
    }
    if let Some(node) = reader.node("recall") {
        match node.kind {
            NodeKind::Percent(p) if p > 0 => profile.recall = Some(p),
            _ => wrong("recall", node, "a percentage such as 99.9%", context),
        }
    }
    if let Some(node) = reader.node("checks") {
        profile.checks = checks(node, context);
    }
    if let Some(node) = reader.node("consent") {
        match &node.kind {
            NodeKind::List(nodes) => {
                profile.consent = nodes.iter().filter_map(|n| choose("consent", n, CONSENT, context)).collect();
            }
            _ => wrong("consent", node, "a list such as [safe, auth]", context),
        }
    }
    profile.max_time_per_host = reader.duration("max_time_per_host", context);
    profile.authentication = reader.boolean("authentication", context).unwrap_or(false);
    if let Some(attr) = reader.attr("authentication").filter(|_| profile.authentication) {
        context.found.push(
            Diagnostic::warning("P0216", "perimeter scans usually do not log in to their targets", attr.span, "")
                .help("leave it out unless you mean it"),
        );
    }
    no_new_errors(before, context).then_some(profile)
}

fn ports(reader: &Reader<'_>, key: &str, context: &mut Context<'_>) -> Option<PortChoice> {
    let node = reader.node(key)?;
    match &node.kind {
        NodeKind::Word(_) => {
            let words = [
                ("none", PortChoice::None),
                ("light", PortChoice::Light),
                ("standard", PortChoice::Standard),
                ("full", PortChoice::Full),
            ];
            choose(key, node, &words, context)
        }
        NodeKind::Call { name, args } if name.value == "top" => match args.as_slice() {
            [Node { kind: NodeKind::Number(n), .. }] if (1..=1_000).contains(n) => Some(PortChoice::Top(*n as u16)),
            _ => {
                wrong(key, node, "top(1) to top(1000)", context);
                None
            }
        },
        _ => port_list(key, node, context).map(PortChoice::These),
    }
}

/// `[22, 8000-8100]`, or one port.
pub(super) fn port_list(key: &str, node: &Node, context: &mut Context<'_>) -> Option<PortSet> {
    let nodes = match &node.kind {
        NodeKind::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    ports_of(key, nodes, context)
}

fn ports_of(key: &str, nodes: &[Node], context: &mut Context<'_>) -> Option<PortSet> {
    let mut ranges = Vec::new();
    for node in nodes {
        match node.kind {
            NodeKind::Number(n) => match u16::try_from(n) {
                Ok(port) if port > 0 => ranges.push((port, port)),
                _ => return context.fail("P0210", format!("{n} is not a port"), node.span, "ports are 1 to 65535"),
            },
            NodeKind::Ports(a, b) => ranges.push((a, b)),
            _ => {
                wrong(key, node, "ports such as [22, 8000-8100]", context);
                return None;
            }
        }
    }
    Some(PortSet::from_ranges(ranges))
}

fn pings(node: &Node, context: &mut Context<'_>) -> Vec<Ping> {
    let wanted = "a list such as [icmp, tcp(80, 443), udp(53)]";
    let NodeKind::List(nodes) = &node.kind else {
        wrong("ping", node, wanted, context);
        return Vec::new();
    };
    let mut pings = Vec::new();
    for node in nodes {
        match &node.kind {
            NodeKind::Word(word) if word == "icmp" => pings.push(Ping::Icmp),
            NodeKind::Word(word) if word == "icmp_timestamp" => pings.push(Ping::Timestamp),
            NodeKind::Call { name, args } if name.value == "tcp" => {
                pings.extend(ports_of("ping", args, context).map(Ping::Tcp));
            }
            NodeKind::Call { name, args } if name.value == "tcp_ack" => {
                pings.extend(ports_of("ping", args, context).map(Ping::TcpAck));
            }
            NodeKind::Call { name, args } if name.value == "udp" => {
                pings.extend(ports_of("ping", args, context).map(Ping::Udp));
            }
            _ => wrong("ping", node, "icmp, icmp_timestamp, tcp(…), tcp_ack(…) or udp(…)", context),
        }
    }
    pings
}

fn checks(node: &Node, context: &mut Context<'_>) -> Checks {
    match &node.kind {
        NodeKind::Word(word) if word == "all" => Checks::All,
        NodeKind::List(nodes) => {
            let mut names = Vec::new();
            for node in nodes {
                match &node.kind {
                    NodeKind::Word(text) | NodeKind::Text(text) => names.push(Spanned::new(text.clone(), node.span)),
                    _ => wrong("checks", node, "families and ids such as [tls, \"EX-*\"]", context),
                }
            }
            Checks::Some(names)
        }
        _ => {
            wrong("checks", node, "all, or a list such as [tls, \"EX-*\"]", context);
            Checks::All
        }
    }
}
