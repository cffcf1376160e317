//! `organization { … }` of an AWS connector.

use super::Context;
use super::connector::role_arn;
use super::reader::Reader;
use crate::base::source::Spanned;
use crate::inventory::asset::Provider;
use crate::lang::job::ConnectorKind;
use crate::lang::organization::Organization;

pub(super) fn lower(outer: &Reader<'_>, kind: &ConnectorKind, context: &mut Context<'_>) -> Option<Organization> {
    let block = outer.nested("organization")?;
    if !matches!(kind, ConnectorKind::Live(Provider::Aws)) {
        let message = "`organization` belongs to AWS connectors".to_owned();
        return context.fail("P0211", message, block.kind.span, "remove it");
    }
    let reader = Reader::open(block, context);
    let list_role = reader.text("list_role", context);
    if let Some(role) = &list_role {
        role_arn(role, context);
    }
    let account = |id: &str| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
    let unit = |id: &str| id.starts_with("ou-") || id.starts_with("r-");
    let a = ("account", "an account is twelve digits: \"111122223333\"");
    let u = ("unit", "a unit looks like ou-abcd-12345678, a root like r-abcd");
    let accounts = ids(&reader, "accounts", account, a, context);
    let units = ids(&reader, "units", unit, u, context);
    let except = ids(&reader, "except", account, a, context);
    let read_role = reader.text("read_role", context)?;
    if read_role.value.is_empty() || read_role.value.starts_with("arn:") {
        let help = "give the role's name, the same in every account: \"perimeter-reader\"";
        return context.fail("P0210", format!("`{}` is not the name of a role", read_role.value), read_role.span, help);
    }
    let list_role = list_role.map(|r| r.value);
    Some(Organization { list_role, read_role: read_role.value, accounts, units, except })
}

fn ids(
    reader: &Reader<'_>,
    key: &str,
    is_one: impl Fn(&str) -> bool,
    (what, help): (&str, &str),
    context: &mut Context<'_>,
) -> Vec<String> {
    let texts: Vec<Spanned<String>> = reader.texts(key, context).unwrap_or_default();
    for text in texts.iter().filter(|t| !is_one(&t.value)) {
        context.fail::<()>("P0210", format!("`{}` is no {what}", text.value), text.span, help);
    }
    texts.into_iter().map(|t| t.value).collect()
}
