//! `connector "x" { … }` and `channel "x" { … }`: both hold secrets, by reference only.

use std::time::Duration;

use super::Context;
use super::reader::{Reader, choose, wrong};
use crate::base::nearest::did_you_mean;
use crate::base::source::Spanned;
use crate::inventory::asset::{Module, Provider};
use crate::inventory::region::{AWS_REGIONS, region_by_code, region_by_name};
use crate::lang::job::{Channel, ChannelKind, Connector, ConnectorKind, Regions, SecretRef};
use crate::lang::syntax::ast::{Block, Node, NodeKind};

pub(super) const PROVIDERS: &[(&str, Provider)] =
    &[("aws", Provider::Aws), ("azure", Provider::Azure), ("gcp", Provider::Gcp)];

pub(super) const MODULES: &[(&str, Module)] = &[("vm", Module::Vm), ("pc", Module::Pc)];

pub(super) fn lower(block: &Block, context: &mut Context<'_>) -> Option<Connector> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let mut providers: Vec<(&str, Option<Provider>)> = PROVIDERS.iter().map(|(w, p)| (*w, Some(*p))).collect();
    providers.push(("file", None));
    let provider = reader.choice("provider", &providers, context)?;
    let path = reader.text("path", context);
    let kind = match (provider, path) {
        (None, Some(path)) => ConnectorKind::File { path, base: context.folder(block.span) },
        (None, None) => {
            if reader.node("path").is_none() {
                let help = "name the recorded answers: path = \"inventory/*.json\"";
                context.fail::<()>("P0207", "`path` is missing".into(), block.kind.span, help);
            }
            return None;
        }
        (Some(provider), path) => {
            if let Some(path) = path {
                context.fail::<()>(
                    "P0211",
                    "only a file connector has a `path`".into(),
                    path.span,
                    "remove it, or write provider = file",
                );
            }
            ConnectorKind::Live(provider)
        }
    };
    for (key, owner) in [("role", Provider::Aws), ("external_id", Provider::Aws), ("project_number", Provider::Gcp)] {
        let fits = match (&kind, owner) {
            (ConnectorKind::Live(p), owner) => *p == owner,
            (ConnectorKind::File { .. }, owner) => owner == Provider::Gcp,
        };
        if let Some(attr) = reader.attr(key).filter(|_| !fits) {
            let message = format!("`{key}` belongs to {} connectors", owner.as_str());
            context.fail::<()>("P0211", message, attr.key.span, "remove it");
        }
    }
    let role = reader.text("role", context);
    if let Some(role) = role.as_ref().filter(|r| !(r.value.starts_with("arn:aws") && r.value.contains(":role/"))) {
        let help = "a role looks like arn:aws:iam::123456789012:role/name";
        context.fail::<()>("P0210", format!("`{}` is not the ARN of a role", role.value), role.span, help);
    }
    let sync_every = reader.duration("sync_every", context).unwrap_or(Duration::from_secs(4 * 3600));
    if let Some(attr) = reader.attr("sync_every")
        && !(Duration::from_secs(3600)..=Duration::from_secs(24 * 3600)).contains(&sync_every)
    {
        context.fail::<()>("P0210", "`sync_every` is from 1h to 24h".into(), attr.value.span, "the default is 4h");
    }
    let is_aws = !matches!(kind, ConnectorKind::Live(Provider::Azure | Provider::Gcp));
    let connector = Connector {
        name: reader.name(),
        role: role.map(|r| r.value),
        external_id: reader.node("external_id").and_then(|n| secret("external_id", n, context)),
        regions: regions_or_all(&reader, is_aws && matches!(kind, ConnectorKind::Live(_)), context),
        activate: modules(&reader, context),
        include_micro_nano: reader.boolean("include_micro_nano", context).unwrap_or(false),
        sync_every,
        project_number: reader.text("project_number", context).map(|t| t.value),
        endpoint: endpoint(&reader, &kind, context),
        call_budget: call_budget(&reader, context),
        kind,
        span: block.span,
    };
    no_new_errors(before, context).then_some(connector)
}

/// The endpoint's form is checked here, what it leads to when it is asked.
fn endpoint(reader: &Reader<'_>, kind: &ConnectorKind, context: &mut Context<'_>) -> Option<Spanned<String>> {
    let text = reader.text("endpoint", context)?;
    if matches!(kind, ConnectorKind::File { .. }) {
        return context.fail("P0211", "a file connector asks nobody".into(), text.span, "remove `endpoint`");
    }
    let near = ["http://127.", "http://[::1]", "http://localhost"];
    if !(text.value.starts_with("https://") || near.iter().any(|n| text.value.starts_with(n))) {
        let help = "write \"https://host\"; plain http is for this machine only, such as \"http://127.0.0.1:5000\"";
        return context.fail("P0210", format!("`{}` is no endpoint", text.value), text.span, help);
    }
    Some(text)
}

fn call_budget(reader: &Reader<'_>, context: &mut Context<'_>) -> u8 {
    const DEFAULT: u8 = 50;
    let Some(node) = reader.node("call_budget") else { return DEFAULT };
    let percent = match node.kind {
        NodeKind::Percent(thousandths) if thousandths % 1_000 == 0 => u8::try_from(thousandths / 1_000).ok(),
        _ => None,
    };
    match percent.filter(|p| (1..=100).contains(p)) {
        Some(percent) => percent,
        None => {
            wrong("call_budget", node, "a whole percentage from 1% to 100%", context);
            DEFAULT
        }
    }
}

/// True where nothing since then was an error.
pub(super) fn no_new_errors(before: usize, context: &Context<'_>) -> bool {
    !context.found.iter().skip(before).any(|d| d.is_error())
}

fn modules(reader: &Reader<'_>, context: &mut Context<'_>) -> Vec<Module> {
    match reader.node("activate") {
        None => vec![Module::Vm, Module::Pc],
        Some(Node { kind: NodeKind::List(nodes), .. }) => {
            nodes.iter().filter_map(|n| choose("activate", n, MODULES, context)).collect()
        }
        Some(node) => {
            wrong("activate", node, "a list such as [vm, pc]", context);
            Vec::new()
        }
    }
}

fn regions_or_all(reader: &Reader<'_>, aws: bool, context: &mut Context<'_>) -> Regions {
    match reader.node("regions") {
        None => Regions::All,
        Some(Node { kind: NodeKind::Word(word), .. }) if word == "all" => Regions::All,
        Some(_) => {
            let texts = reader.texts("regions", context).unwrap_or_default();
            Regions::Some(texts.into_iter().filter_map(|t| region(t, aws, context)).collect())
        }
    }
}

/// A region by code or display name; for AWS an unknown one is an error, elsewhere names are taken as they are.
pub(super) fn region(text: Spanned<String>, aws: bool, context: &mut Context<'_>) -> Option<Spanned<String>> {
    if let Some(code) = region_by_name(&text.value) {
        return Some(Spanned::new(code.to_owned(), text.span));
    }
    if !aws || region_by_code(&text.value).is_some() {
        return Some(text);
    }
    let names = AWS_REGIONS.iter().flat_map(|(code, name)| [*code, *name]);
    let help = did_you_mean(&text.value, names)
        .unwrap_or_else(|| "write a code such as \"us-east-1\" or a name such as \"US East (N. Virginia)\"".into());
    context.fail("P0212", format!("there is no AWS region `{}`", text.value), text.span, help)
}

/// A reference to a secret. A literal is refused: job files are kept under version control.
pub(super) fn secret(key: &str, node: &Node, context: &mut Context<'_>) -> Option<SecretRef> {
    let help = format!("write {key} = env(\"NAME\"), file(\"path\") or command(\"program\", \"argument\")");
    let NodeKind::Call { name, args } = &node.kind else {
        return context.fail("P0213", format!("`{key}` is a secret, so it may only be a reference"), node.span, help);
    };
    let texts: Option<Vec<String>> = args
        .iter()
        .map(|a| match &a.kind {
            NodeKind::Text(t) => Some(t.clone()),
            _ => None,
        })
        .collect();
    match (name.value.as_str(), texts.as_deref()) {
        ("env", Some([only])) => Some(SecretRef::Env(only.clone())),
        ("file", Some([only])) => Some(SecretRef::File(only.clone())),
        ("command", Some(words @ [_, ..])) => Some(SecretRef::Command(words.to_vec())),
        _ => context.fail("P0213", format!("`{key}` is not a reference to a secret"), node.span, help),
    }
}

pub(super) fn channel(block: &Block, context: &mut Context<'_>) -> Option<Channel> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let mut kinds = Vec::new();
    if let Some(node) = reader.node("webhook") {
        kinds.extend(secret("webhook", node, context).map(ChannelKind::Webhook));
    }
    if let Some(node) = reader.node("slack") {
        kinds.extend(secret("slack", node, context).map(ChannelKind::Slack));
    }
    let values = |texts: Vec<Spanned<String>>| texts.into_iter().map(|t| t.value).collect::<Vec<_>>();
    if let Some(texts) = reader.texts("email", context) {
        for text in texts.iter().filter(|t| !t.value.contains('@')) {
            context.fail::<()>(
                "P0210",
                format!("`{}` is not a mail address", text.value),
                text.span,
                "write \"name@example.com\"",
            );
        }
        kinds.push(ChannelKind::Email(values(texts)));
    }
    kinds.extend(reader.text("file", context).map(|t| ChannelKind::File(t.value)));
    kinds.extend(reader.texts("command", context).map(|t| ChannelKind::Command(values(t))));
    let clean = no_new_errors(before, context);
    match <[ChannelKind; 1]>::try_from(kinds) {
        Ok([kind]) if clean => Some(Channel { name: reader.name(), kind, span: block.span }),
        Ok(_) => None,
        Err(_) if !clean => None,
        Err(_) => {
            let help = "give one of webhook, slack, email, file, command";
            context.fail("P0214", "a channel goes to one place".into(), block.kind.span, help)
        }
    }
}
