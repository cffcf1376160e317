//! The overlay `palisade/overlay/1`: facts about assets that no provider delivers, by asset id or name.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::connector::desk::{Desk, shown};
use crate::connector::notice::Site;
use crate::inventory::asset::{Field, Value};
use crate::inventory::catalogue::{Token, TokenId, TokenType, tokens};

/// The overlay's `schema`.
pub(super) const SCHEMA: &str = "palisade/overlay/1";

struct Entry {
    file: Arc<str>,
    path: String,
    asset: String,
    /// The tokens that are set; their old values go, even where there is no new one.
    tokens: Vec<TokenId>,
    fields: Vec<Field>,
}

/// Entries waiting for their assets.
#[derive(Default)]
pub(super) struct Overlay {
    entries: Vec<Entry>,
}

/// True for tokens that an overlay may set: those that providers do not deliver, the modules, the operating system.
fn may_set(token: &Token) -> bool {
    token.path.contains("overlay") || matches!(token.name, "activatedForModules" | "operatingSystem")
}

impl Overlay {
    /// Takes one asset's entry.
    pub(super) fn take(&mut self, desk: &mut Desk<'_>, asset: &str, bytes: &[u8], site: Site<'_>) {
        let entry: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(bytes) {
            Ok(entry) => entry,
            Err(e) => return desk.notices.error("P0360", site, format!("this entry was left out: {e}")),
        };
        let (mut set, mut fields) = (Vec::new(), Vec::new());
        for (name, value) in &entry {
            let found = tokens().iter().enumerate().find(|(_, t)| t.name == name);
            let Some((n, token)) = found.filter(|(_, t)| may_set(t)) else {
                let why = if found.is_some() { "is delivered by providers and cannot be set" } else { "is no token" };
                desk.notices.error("P0360", site, format!("`{}` {why}", shown(name)));
                continue;
            };
            let Ok(id) = u16::try_from(n).map(TokenId) else { continue };
            let values: &[serde_json::Value] = match value {
                serde_json::Value::Array(values) if token.many => values,
                one => std::slice::from_ref(one),
            };
            for (element, value) in values.iter().enumerate() {
                match (typed(token, value), u16::try_from(element)) {
                    (Some(value), Ok(element)) => fields.push(Field { token: id, element, value }),
                    _ => desk.notices.error(
                        "P0360",
                        site,
                        format!("`{}` is no value of `{name}`", shown(&value.to_string())),
                    ),
                }
            }
            set.push(id);
        }
        let (file, path) = (Arc::clone(site.file), site.path());
        self.entries.push(Entry { file, path, asset: asset.to_owned(), tokens: set, fields });
    }

    /// Sets what was taken.
    pub(super) fn finish(&mut self, desk: &mut Desk<'_>) {
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return;
        }
        let mut by_name: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        for (row, asset) in desk.assets.iter().enumerate() {
            if let Some(name) = &asset.name {
                by_name.entry(Arc::clone(name)).or_default().push(row);
            }
        }
        for entry in entries {
            let site = Site { file: &entry.file, container: &entry.path, index: None, inner: None };
            let named = by_name.get(entry.asset.as_str()).map_or(&[][..], Vec::as_slice);
            let row = match (desk.rows.get(entry.asset.as_str()), named) {
                (Some(row), _) | (None, [row]) => *row,
                (None, []) => {
                    desk.notices.warning("P0360", site, format!("no asset is called `{}`", shown(&entry.asset)));
                    continue;
                }
                (None, several) => {
                    let text = format!("{} assets are called `{}`: use the id", several.len(), shown(&entry.asset));
                    desk.notices.error("P0360", site, text);
                    continue;
                }
            };
            let Some(asset) = desk.assets.get_mut(row) else { continue };
            asset.fields.retain(|old| !entry.tokens.contains(&old.token));
            asset.fields.extend(entry.fields);
        }
    }
}

fn typed(token: &Token, value: &serde_json::Value) -> Option<Value> {
    match token.ty {
        TokenType::Enum(words) => {
            let text = value.as_str()?;
            words.iter().find(|w| w.eq_ignore_ascii_case(text)).map(|w| Value::Str((*w).into()))
        }
        TokenType::Keyword | TokenType::Text => value.as_str().filter(|t| !t.is_empty()).map(|t| Value::Str(t.into())),
        TokenType::Number => value.as_i64().map(Value::Num),
        TokenType::Date => value.as_str()?.parse::<Timestamp>().ok().map(Value::Date),
        TokenType::Bool => value.as_bool().map(Value::Bool),
        TokenType::Ip => value.as_str()?.parse::<std::net::IpAddr>().ok().map(|a| Value::Ip(a.to_canonical())),
    }
}
