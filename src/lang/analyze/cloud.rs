//! The keys of a connector that only Azure or Google have.

use super::Context;
use super::connector::secret;
use super::reader::Reader;
use crate::base::source::Spanned;
use crate::inventory::asset::Provider;
use crate::lang::cloud::CloudKeys;
use crate::lang::job::{ConnectorKind, SecretRef};
use crate::lang::syntax::ast::{Node, NodeKind};

/// Whose key it is.
const OWNERS: &[(&str, Provider)] = &[
    ("tenant", Provider::Azure),
    ("client_id", Provider::Azure),
    ("client_secret", Provider::Azure),
    ("subscriptions", Provider::Azure),
    ("authority", Provider::Azure),
    ("projects", Provider::Gcp),
    ("credentials", Provider::Gcp),
];

/// Reads them; a key of another provider is an error.
pub(super) fn keys(reader: &Reader<'_>, kind: &ConnectorKind, context: &mut Context<'_>) -> CloudKeys {
    for (key, owner) in OWNERS {
        if let Some(attr) = reader.attr(key).filter(|_| *kind != ConnectorKind::Live(*owner)) {
            let message = format!("`{key}` belongs to {} connectors", owner.as_str());
            context.fail::<()>("P0211", message, attr.key.span, "remove it");
        }
    }
    let keys = CloudKeys {
        tenant: plain("tenant", reader, "a directory id or a domain such as example.onmicrosoft.com", context),
        client_id: plain("client_id", reader, "the application's id", context),
        client_secret: reference("client_secret", reader, context),
        subscriptions: subscriptions(reader, context),
        authority: authority(reader, context),
        projects: projects(reader, context),
        credentials: reference("credentials", reader, context),
    };
    if *kind == ConnectorKind::Live(Provider::Gcp) && reader.node("projects").is_none() {
        let help = "name the projects to read: projects = [\"my-project\"]";
        context.fail::<()>("P0207", "`projects` is missing".into(), reader.name().span, help);
    }
    if let (Some(_), Some(attr), true) =
        (&keys.client_secret, reader.attr("client_secret"), keys.tenant.is_none() || keys.client_id.is_none())
    {
        let help = "say whose secret it is: tenant = \"…\" and client_id = \"…\"";
        let message = "`client_secret` needs `tenant` and `client_id` beside it".into();
        context.fail::<()>("P0207", message, attr.key.span, help);
    }
    keys
}

fn reference(key: &str, reader: &Reader<'_>, context: &mut Context<'_>) -> Option<SecretRef> {
    reader.node(key).and_then(|n| secret(key, n, context))
}

/// An id that becomes part of a URL.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:_".contains(&b))
}

fn plain(key: &str, reader: &Reader<'_>, what: &str, context: &mut Context<'_>) -> Option<String> {
    let text = reader.text(key, context)?;
    if is_plain(&text.value) {
        return Some(text.value);
    }
    context.fail("P0210", format!("`{}` is no `{key}`", text.value), text.span, format!("it is {what}"))
}

fn subscriptions(reader: &Reader<'_>, context: &mut Context<'_>) -> Option<Vec<String>> {
    match reader.node("subscriptions") {
        None => None,
        Some(Node { kind: NodeKind::Word(word), .. }) if word == "all" => None,
        Some(_) => {
            let help = "a subscription id looks like 11111111-2222-3333-4444-555555555555";
            Some(list("subscriptions", reader, is_uuid, help, context))
        }
    }
}

fn projects(reader: &Reader<'_>, context: &mut Context<'_>) -> Vec<String> {
    if reader.node("projects").is_none() {
        return Vec::new();
    }
    list("projects", reader, is_plain, "write project ids: [\"my-project\"]", context)
}

fn list(key: &str, reader: &Reader<'_>, good: fn(&str) -> bool, help: &str, context: &mut Context<'_>) -> Vec<String> {
    let texts: Vec<Spanned<String>> = reader.texts(key, context).unwrap_or_default();
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        if !good(&text.value) {
            context.fail::<()>("P0210", format!("`{}` is no id for `{key}`", text.value), text.span, help);
        } else if !kept.contains(&text.value) {
            kept.push(text.value);
        }
    }
    kept
}

/// `8-4-4-4-12` hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn authority(reader: &Reader<'_>, context: &mut Context<'_>) -> Option<String> {
    let text = reader.text("authority", context)?;
    let near = ["http://127.", "http://[::1]", "http://localhost"];
    if text.value.starts_with("https://") || near.iter().any(|n| text.value.starts_with(n)) {
        return Some(text.value);
    }
    let help = "write \"https://login.microsoftonline.us\" or the like; plain http is for this machine only";
    context.fail("P0210", format!("`{}` is no authority", text.value), text.span, help)
}
