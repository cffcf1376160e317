//! `workspace { … }`: guide rules A1 to A10.

use std::num::NonZeroU32;

use super::Context;
use super::connector::secret;
use super::reader::{Reader, choose, wrong};
use crate::base::diagnostic::Diagnostic;
use crate::lang::job::{Feature, Program, SecurityRisk};
use crate::lang::keep::Keep;
use crate::lang::syntax::ast::{Block, Node, NodeKind};

pub(super) const FEATURES: &[(&str, Feature)] = &[
    ("cloud_perimeter", Feature::CloudPerimeter),
    ("ec2_scanning", Feature::Ec2Scanning),
    ("scan_by_hostname", Feature::ScanByHostname),
    ("azure_perimeter", Feature::AzurePerimeter),
];

pub(super) fn lower(block: &Block, program: &mut Program, context: &mut Context<'_>) {
    if let Some(first) = program.workspace.span {
        context.found.push(
            Diagnostic::error("P0204", "there are two workspace blocks", block.kind.span, "the second one")
                .label(first, "the first one")
                .help("a workspace has one; merge them"),
        );
        return;
    }
    let reader = Reader::open(block, context);
    let workspace = &mut program.workspace;
    workspace.span = Some(block.kind.span);
    workspace.organisation = reader.text("organisation", context).map(|t| t.value);
    if let Some(node) = reader.node("features") {
        match &node.kind {
            NodeKind::List(nodes) => {
                workspace.features = nodes.iter().filter_map(|n| choose("features", n, FEATURES, context)).collect();
            }
            _ => wrong("features", node, "a list such as [cloud_perimeter, ec2_scanning]", context),
        }
    }
    workspace.internal_scanners = reader.boolean("internal_scanners", context).unwrap_or(false);
    if let Some(n) = reader.number("max_concurrent_scans", 1..=1_000, context) {
        workspace.max_concurrent_scans = u32::try_from(n).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    }
    let risks = [("average", SecurityRisk::Average), ("highest", SecurityRisk::Highest)];
    workspace.security_risk = reader.choice("security_risk", &risks, context).unwrap_or(SecurityRisk::Average);
    workspace.exclude_addresses = reader.addresses("exclude_addresses", context).unwrap_or_default();
    for text in reader.texts("resolvers", context).unwrap_or_default() {
        let with_port = text.value.parse().or_else(|_| text.value.parse().map(|ip| std::net::SocketAddr::new(ip, 53)));
        match with_port {
            Ok(addr) => workspace.resolvers.push(addr),
            Err(_) => {
                let message = format!("`{}` is not the address of a name server", text.value);
                context.fail::<()>("P0210", message, text.span, "write \"192.0.2.53\" or \"192.0.2.53:5353\"");
            }
        }
    }
    match reader.node("keep_snapshots") {
        None => {}
        Some(Node { kind: NodeKind::Duration(age), .. }) => workspace.keep_snapshots = Keep::Age(*age),
        Some(Node { kind: NodeKind::Number(n), span, .. }) => match u32::try_from(*n).ok().and_then(NonZeroU32::new) {
            Some(n) => workspace.keep_snapshots = Keep::Count(n),
            None => {
                let help = "write a number from 1 on, or an age such as 90d";
                context.fail::<()>("P0210", format!("{n} snapshots cannot be kept"), *span, help);
            }
        },
        Some(node) => wrong("keep_snapshots", node, "an age such as 90d, or a number of snapshots", context),
    }
    workspace.smtp = reader.node("smtp").and_then(|n| secret("smtp", n, context));
}
