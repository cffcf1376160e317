//! `scan "x" { … }` and its targets: guide rules D3 to D11, E1 to E13, G1 to G3.

use std::time::Duration;

use super::Context;
use super::connector::{MODULES, PROVIDERS, no_new_errors, region};
use super::profile::port_list;
use super::reader::{Reader, texts_of, wrong};
use super::schedule;
use crate::base::diagnostic::Diagnostic;
use crate::base::source::{Span, Spanned};
use crate::inventory::asset::{Module, Provider};
use crate::lang::job::{
    Canary, Connector, ConnectorKind, Feature, Job, OnGap, OnHookError, OnNoTargets, Platform, Quantifier, Scanner,
    TagFilter, Targets, Workspace,
};
use crate::lang::query::predicate::Predicate;
use crate::lang::syntax::ast::{Block, Node, NodeKind};

pub(super) fn lower(
    block: &Block,
    workspace: &Workspace,
    connectors: &[Connector],
    context: &mut Context<'_>,
) -> Option<Job> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let connector = reader.text("connector", context)?;
    if !context.refer("connector", &connector) {
        return None;
    }
    let live = connectors.iter().find(|c| c.name.value == connector.value).and_then(|c| match c.kind {
        ConnectorKind::Live(provider) => Some(provider),
        ConnectorKind::File { .. } => None,
    });
    let said = reader.choice("provider", PROVIDERS, context);
    if let (Some(said), Some(live), Some(attr)) = (said, live, reader.attr("provider"))
        && said != live
    {
        let message = format!(
            "connector `{}` reads {}, so the provider cannot be {}",
            connector.value,
            live.as_str(),
            said.as_str()
        );
        context.fail::<()>("P0217", message, attr.span, "remove it: the provider follows from the connector");
    }
    let provider = live.or(said);
    let default_profile = || Spanned::new("Initial Options".to_owned(), block.kind.span);
    let profile = reader.text("profile", context).unwrap_or_else(default_profile);
    context.refer("profile", &profile);
    features(workspace, provider, block.kind.span, context);
    let targets = match reader.nested("targets") {
        Some(nested) => targets(nested, provider, context),
        None => no_targets(block.kind.span),
    };
    let job = Job {
        name: reader.name(),
        connector,
        provider,
        module: reader.choice("module", MODULES, context).unwrap_or(Module::Vm),
        profile,
        priority: reader.number("priority", 0..=9, context).unwrap_or(0) as u8,
        active: reader.boolean("active", context).unwrap_or(true),
        targets,
        scanner: scanner(&reader, workspace, context),
        schedule: reader.nested("schedule").and_then(|b| schedule::lower(b, context)),
        notify: reader.nested("notify").and_then(|b| schedule::notify(b, context)),
        span: block.span,
    };
    no_new_errors(before, context).then_some(job)
}

/// Three switches for every perimeter scan, a fourth for Azure. Guide rules A1, A2.
fn features(workspace: &Workspace, provider: Option<Provider>, span: Span, context: &mut Context<'_>) {
    let mut needed = vec![
        ("cloud_perimeter", Feature::CloudPerimeter),
        ("ec2_scanning", Feature::Ec2Scanning),
        ("scan_by_hostname", Feature::ScanByHostname),
    ];
    if provider == Some(Provider::Azure) {
        needed.push(("azure_perimeter", Feature::AzurePerimeter));
    }
    for (word, feature) in needed {
        if !workspace.features.contains(&feature) {
            let help = format!("add {word} to `features` in the workspace block");
            context.fail::<()>("P0218", format!("the feature `{word}` is off, and this scan needs it"), span, help);
        }
    }
}

fn scanner(reader: &Reader<'_>, workspace: &Workspace, context: &mut Context<'_>) -> Scanner {
    let Some(node) = reader.node("scanner") else { return Scanner::External };
    let appliances = match &node.kind {
        NodeKind::Word(word) if word == "external" => return Scanner::External,
        NodeKind::Phrase(parts) => match parts.as_slice() {
            [Node { kind: NodeKind::Word(word), .. }, list] if word == "internal" => texts_of(list),
            _ => None,
        },
        _ => None,
    };
    match appliances {
        Some(list) if !list.is_empty() => {
            if !workspace.internal_scanners {
                let help = "write internal_scanners = true in the workspace block, or scanner = external";
                context.fail::<()>("P0218", "internal scanners are off in this workspace".into(), node.span, help);
            }
            Scanner::Internal(list)
        }
        _ => {
            wrong("scanner", node, "external, or internal [\"appliance-1\"]", context);
            Scanner::External
        }
    }
}

fn no_targets(span: Span) -> Targets {
    Targets {
        platform: None,
        regions: Vec::new(),
        include: None,
        exclude: None,
        filter_query: None,
        canary: None,
        hook: None,
        load_balancers: Vec::new(),
        load_balancers_from_connector: false,
        exclude_addresses: Vec::new(),
        on_no_targets: None,
        max_inventory_age: None,
        lease: None,
        on_gap: OnGap::Warn,
        on_hook_error: OnHookError::Exclude,
        ipv6: true,
        span,
    }
}

fn targets(block: &Block, provider: Option<Provider>, context: &mut Context<'_>) -> Targets {
    let reader = Reader::open(block, context);
    let aws_only = provider == Some(Provider::Aws);
    let regions: Vec<Spanned<String>> = reader
        .texts("regions", context)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|t| region(t, aws_only, context))
        .collect();
    let (platform, regions) = platform(&reader, provider, regions, context);
    let filter_query = condition(&reader, provider, context);
    let folder = context.folder(block.span);
    let hook = reader.text("filter", context).map(|path| {
        let full = if folder.is_empty() || path.value.starts_with('/') {
            path.value
        } else {
            format!("{folder}/{}", path.value)
        };
        Spanned::new(full, path.span)
    });
    let load_balancers = reader.texts("load_balancers", context).unwrap_or_default();
    for name in &load_balancers {
        if !is_host_name(&name.value) {
            let help = "write a DNS name such as \"www.example.com\"";
            context.fail::<()>("P0210", format!("`{}` is not a host name", name.value), name.span, help);
        }
    }
    let on_no_targets = [("fail", OnNoTargets::Fail), ("skip", OnNoTargets::Skip)];
    let on_gap = [("fail", OnGap::Fail), ("warn", OnGap::Warn), ("ignore", OnGap::Ignore)];
    let on_hook_error = [("exclude", OnHookError::Exclude), ("fail", OnHookError::Fail)];
    Targets {
        platform,
        regions,
        include: tag_filter(&reader, "include", context),
        exclude: tag_filter(&reader, "exclude", context),
        filter_query,
        canary: reader.nested("canary").and_then(|b| canary(b, provider, context)),
        hook,
        load_balancers,
        load_balancers_from_connector: reader.boolean("load_balancers_from_connector", context).unwrap_or(false),
        exclude_addresses: reader.addresses("exclude_addresses", context).unwrap_or_default(),
        on_no_targets: reader.choice("on_no_targets", &on_no_targets, context),
        max_inventory_age: reader.duration("max_inventory_age", context),
        lease: lease(&reader, context),
        on_gap: reader.choice("on_gap", &on_gap, context).unwrap_or(OnGap::Warn),
        on_hook_error: reader.choice("on_hook_error", &on_hook_error, context).unwrap_or(OnHookError::Exclude),
        ipv6: reader.boolean("ipv6", context).unwrap_or(true),
        span: block.span,
    }
}

fn condition(reader: &Reader<'_>, provider: Option<Provider>, context: &mut Context<'_>) -> Option<Predicate> {
    match reader.node("where")? {
        Node { kind: NodeKind::Query(query), .. } => context.query(query, provider),
        node => {
            wrong("where", node, "a query", context);
            None
        }
    }
}

/// Ports of a canary: more of them tell nothing more.
const CANARY_PORTS: u32 = 8;

fn canary(block: &Block, provider: Option<Provider>, context: &mut Context<'_>) -> Option<Canary> {
    let reader = Reader::open(block, context);
    let query = condition(&reader, provider, context);
    let node = reader.node("tcp")?;
    let tcp = port_list("tcp", node, context)?;
    if tcp.is_empty() || tcp.len() > CANARY_PORTS {
        let help = "name a port that always answers: tcp = 443";
        return context.fail("P0210", format!("a canary has 1 to {CANARY_PORTS} ports"), node.span, help);
    }
    Some(Canary { query: query?, tcp, span: block.span })
}

/// Shorter leases would only ask the provider all the time, longer ones would promise nothing.
fn lease(reader: &Reader<'_>, context: &mut Context<'_>) -> Option<Duration> {
    let lease = reader.duration("lease", context)?;
    if !(Duration::from_secs(60)..=Duration::from_secs(24 * 3600)).contains(&lease) {
        let span = reader.attr("lease").map_or(reader.block.span, |a| a.value.span);
        return context.fail("P0210", "`lease` is from 1m to 24h".into(), span, "the default is 15m");
    }
    Some(lease)
}

/// Platform, regions and VPCs as one choice, so that illegal mixes cannot be written down. Guide rules E2, E3.
fn platform(
    reader: &Reader<'_>,
    provider: Option<Provider>,
    regions: Vec<Spanned<String>>,
    context: &mut Context<'_>,
) -> (Option<Spanned<Platform>>, Vec<Spanned<String>>) {
    let words = [("ec2_classic", 0), ("vpc_all", 1), ("vpc_selected", 2)];
    let vpcs = reader.texts("vpc", context);
    let (Some(choice), Some(attr)) = (reader.choice("platform", &words, context), reader.attr("platform")) else {
        if let Some(attr) = reader.attr("vpc").filter(|_| reader.node("platform").is_none()) {
            let help = "add platform = vpc_selected";
            context.fail::<()>("P0219", "`vpc` goes with `platform = vpc_selected`".into(), attr.key.span, help);
        }
        return (None, regions);
    };
    if matches!(provider, Some(Provider::Azure | Provider::Gcp)) {
        let message = "`platform` is a choice of AWS scans".into();
        context.fail::<()>("P0211", message, attr.key.span, "use `regions`, tags or `where`");
        return (None, regions);
    }
    let platform = match (choice, vpcs) {
        (2, Some(vpcs)) if !vpcs.is_empty() => {
            if let Some(regions) = reader.attr("regions") {
                let help = "a VPC lies in one region already; remove the regions";
                context.fail::<()>("P0219", "`vpc_selected` takes `vpc`, not `regions`".into(), regions.key.span, help);
            }
            Platform::VpcSelected { vpcs }
        }
        (2, _) => {
            let help = "name them: vpc = [\"vpc-1e37cd76\"]";
            context.fail::<()>("P0219", "`vpc_selected` needs `vpc`".into(), attr.span, help);
            return (None, regions);
        }
        (choice, vpcs) => {
            if let (Some(_), Some(vpc)) = (vpcs, reader.attr("vpc")) {
                let help = "write platform = vpc_selected, or remove `vpc`";
                context.fail::<()>("P0219", "`vpc` goes with `platform = vpc_selected`".into(), vpc.key.span, help);
            }
            if regions.is_empty() {
                let help = "name them: regions = [\"us-east-1\"]";
                context.fail::<()>("P0219", "this platform needs `regions`".into(), attr.span, help);
            }
            if choice == 0 { Platform::Ec2Classic { regions } } else { Platform::VpcAll { regions } }
        }
    };
    (Some(Spanned::new(platform, attr.span)), Vec::new())
}

/// `any ["a", "b"]`. An empty list is no filter at all. Guide rule E5.
fn tag_filter(reader: &Reader<'_>, key: &str, context: &mut Context<'_>) -> Option<TagFilter> {
    let attr = reader.attr(key)?;
    let parts = match &attr.value.kind {
        NodeKind::Phrase(parts) => parts.as_slice(),
        _ => &[],
    };
    let (quantifier, tags) = match parts {
        [Node { kind: NodeKind::Word(word), .. }, list] if word == "any" => (Quantifier::Any, texts_of(list)),
        [Node { kind: NodeKind::Word(word), .. }, list] if word == "all" => (Quantifier::All, texts_of(list)),
        _ => (Quantifier::Any, None),
    };
    let Some(tags) = tags else {
        wrong(key, &attr.value, "any [\"tag\"] or all [\"tag\"]", context);
        return None;
    };
    if tags.is_empty() {
        let what = if key == "include" { "no filter" } else { "no exclusion" };
        context.found.push(
            Diagnostic::advice("P0220", format!("an empty `{key}` is {what}"), attr.span, "").help("remove the line"),
        );
        return None;
    }
    for tag in &tags {
        context.refer("tag", tag);
    }
    Some(TagFilter { quantifier, tags, span: attr.span })
}

/// A DNS name of at least two labels. RFC 1035 2.3.1, RFC 1123 2.1.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(label_ok)
        && name.parse::<std::net::IpAddr>().is_err()
}
