//! The asset as a script sees it: any token by name, read when asked for.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use jiff::Timestamp;
use rhai::{Array, Dynamic, EvalAltResult};
use roaring::RoaringBitmap;

use super::engine;
use crate::base::clock::Clock;
use crate::base::diagnostic::{Diagnostic, has_errors};
use crate::base::limits::Limits;
use crate::base::source::FileId;
use crate::inventory::asset::Provider;
use crate::inventory::catalogue::{self, Lookup, TokenId, ids};
use crate::inventory::snapshot::{Snapshot, ValueRef};
use crate::lang::query::check::{Dialect, Scope, check};
use crate::lang::query::predicate::{Membership, Moment, Predicate, Truth};
use crate::lang::query::tags::TagMembership;
use crate::lang::syntax::parse_query;

/// Queries that one script may ask; a script that makes up new ones for each asset would never end.
const MAX_QUERIES: usize = 256;

type Found<T> = Result<T, Box<EvalAltResult>>;

/// What a script may look at: one inventory at one moment.
pub(super) struct World {
    snapshot: Arc<Snapshot>,
    tags: Arc<TagMembership>,
    now: Timestamp,
    clock: Arc<dyn Clock>,
    limits: Limits,
    /// Catalogue numbers by exact name.
    tokens: HashMap<&'static str, TokenId>,
    /// Rows whose missing value proves nothing, by token.
    unread: Vec<OnceLock<RoaringBitmap>>,
    /// Answers of queries for the whole inventory, so that one asset costs one look-up.
    queries: RwLock<HashMap<String, Arc<Membership>>>,
}

/// Checks a query that a script asks; names of `let` definitions are not known to scripts.
pub(super) fn check_query(
    text: &str,
    file: FileId,
    offset: u32,
    limits: &Limits,
) -> (Option<Predicate>, Vec<Diagnostic>) {
    let (query, mut found) = parse_query(text, file, offset, limits);
    let scope = Scope {
        lets: &|_| None,
        values: &|_| None,
        let_names: Vec::new(),
        known_tags: None,
        provider: None,
        free_text: false,
        dialect: Dialect::Default,
        portable: false,
    };
    let checked = query.filter(|_| !has_errors(&found)).and_then(|query| {
        let (predicate, more) = check(&query, &scope);
        found.extend(more);
        predicate
    });
    (checked, found)
}

impl World {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        tags: Arc<TagMembership>,
        now: Timestamp,
        clock: Arc<dyn Clock>,
        limits: &Limits,
    ) -> Self {
        Self {
            snapshot,
            tags,
            now,
            clock,
            limits: limits.clone(),
            tokens: catalogue::all_ids().map(|id| (catalogue::token(id).name, id)).collect(),
            unread: catalogue::tokens().iter().map(|_| OnceLock::new()).collect(),
            queries: RwLock::default(),
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Answers a query for every asset, and keeps the answer.
    pub(super) fn prepare(&self, text: &str, predicate: &Predicate) -> Arc<Membership> {
        let moment = Moment { now: self.now, tags: Some(&self.tags) };
        let members = Arc::new(predicate.evaluate(&self.snapshot, &moment));
        let mut queries = self.queries.write().unwrap_or_else(|e| e.into_inner());
        queries.insert(text.to_owned(), Arc::clone(&members));
        members
    }

    fn members(&self, text: &str) -> Found<Arc<Membership>> {
        let queries = self.queries.read().unwrap_or_else(|e| e.into_inner());
        if let Some(members) = queries.get(text) {
            return Ok(Arc::clone(members));
        }
        if queries.len() >= MAX_QUERIES {
            return Err(format!("the script asks more than {MAX_QUERIES} different queries").into());
        }
        drop(queries);
        engine::own_work(&*self.clock, || {
            let (predicate, found) = check_query(text, FileId(0), 0, &self.limits);
            let Some(predicate) = predicate else {
                let first = found.iter().find(|d| d.is_error()).map_or("it cannot be read", |d| d.message.as_str());
                return Err(format!("the query `{text}` is wrong: {first}").into());
            };
            Ok(self.prepare(text, &predicate))
        })
    }

    fn is_unread(&self, token: TokenId, row: u32) -> bool {
        self.unread
            .get(usize::from(token.0))
            .is_some_and(|slot| slot.get_or_init(|| self.snapshot.column(token).unread()).contains(row))
    }

    /// Where the answer waits for a partition that was not read.
    fn cannot_tell(&self, what: &str, causes: &[String]) -> Box<EvalAltResult> {
        let because = if causes.is_empty() { String::new() } else { format!(": {}", causes.join("; ")) };
        format!("cannot tell {what}, because a part of the inventory was not read{because}").into()
    }

    fn tags_of(&self, row: u32) -> Found<Dynamic> {
        let unsure = self.tags.names().iter().find(|n| self.tags.of(n).is_some_and(|m| m.cannot_tell.contains(row)));
        if let Some(name) = unsure {
            return Err(self.cannot_tell(&format!("whether it has the tag `{name}`"), &[]));
        }
        let names: Array = self.tags.tags_of(row).iter().map(|n| Dynamic::from(n.to_string())).collect();
        Ok(names.into())
    }

    /// The value of a provider's tag. Keys and values are two columns; one tag's two cells have the same element.
    fn provider_tag(&self, key: &str, row: u32) -> Found<Dynamic> {
        let Some(asset) = self.snapshot.asset(row) else { return Ok(Dynamic::UNIT) };
        let (keys, values) = match asset.provider() {
            Provider::Aws => (ids::AWS_TAG_KEY, ids::AWS_TAG_VALUE),
            Provider::Azure => (ids::AZURE_TAG_NAME, ids::AZURE_TAG_VALUE),
            Provider::Gcp => (ids::GCP_TAG_KEY, ids::GCP_TAG_VALUE),
        };
        let (keys_column, values_column) = (self.snapshot.column(keys), self.snapshot.column(values));
        let found = keys_column.cells(row).find(|c| keys_column.value(c.code) == Some(ValueRef::Str(key)));
        let Some(element) = found.map(|c| c.element) else {
            return if self.is_unread(keys, row) {
                Err(self.cannot_tell(&format!("the tag `{key}`"), &[]))
            } else {
                Ok(Dynamic::UNIT)
            };
        };
        let value = values_column.cells(row).find(|c| c.element == element).and_then(|c| values_column.value(c.code));
        Ok(value.map_or_else(|| "".into(), dynamic))
    }

    fn token(&self, name: &str, row: u32) -> Found<Dynamic> {
        let Some(token) = self.tokens.get(name).copied() else { return Err(unknown(name)) };
        if token == ids::TAGS_NAME {
            return self.tags_of(row);
        }
        let column = self.snapshot.column(token);
        let mut cells = column.cells(row).filter_map(|c| column.value(c.code)).map(dynamic);
        let first = cells.next();
        if first.is_none() && self.is_unread(token, row) {
            let gaps = column.gaps(row);
            let causes: Vec<String> = gaps.iter().map(|g| format!("{} {}", g.partition, g.cause)).collect();
            return Err(self.cannot_tell(&format!("`{name}`"), &causes));
        }
        if catalogue::token(token).many {
            let most = self.limits.script_array_items;
            return Ok(first.into_iter().chain(cells).take(most).collect::<Array>().into());
        }
        Ok(first.unwrap_or(Dynamic::UNIT))
    }
}

fn dynamic(value: ValueRef<'_>) -> Dynamic {
    match value {
        ValueRef::Str(s) => s.into(),
        ValueRef::Num(n) => n.into(),
        ValueRef::Date(at) => at.to_string().into(),
        ValueRef::Bool(b) => b.into(),
        ValueRef::Ip(ip) => ip.to_string().into(),
    }
}

fn unknown(name: &str) -> Box<EvalAltResult> {
    match catalogue::look_up(name) {
        Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => {
            format!("there is no token `{name}`; write `{}`", catalogue::token(id).name).into()
        }
        Lookup::Unknown(near) if near.is_empty() => {
            format!("there is no token `{name}`; `palisade tokens` lists the tokens").into()
        }
        Lookup::Unknown(near) => format!("there is no token `{name}`; did you mean `{}`?", near.join("` or `")).into(),
    }
}

/// An asset: a row of a world.
#[derive(Clone)]
pub(super) struct AssetValue {
    pub(super) world: Arc<World>,
    pub(super) row: u32,
}

impl AssetValue {
    pub(super) fn id(&mut self) -> Dynamic {
        self.world.snapshot.asset(self.row).map_or(Dynamic::UNIT, |a| a.id().into())
    }

    pub(super) fn name(&mut self) -> Dynamic {
        self.world.snapshot.asset(self.row).and_then(|a| a.name()).map_or(Dynamic::UNIT, Into::into)
    }

    pub(super) fn provider(&mut self) -> Dynamic {
        self.world.snapshot.asset(self.row).map_or(Dynamic::UNIT, |a| a.provider().as_str().into())
    }

    pub(super) fn connector(&mut self) -> Dynamic {
        self.world.snapshot.asset(self.row).map_or(Dynamic::UNIT, |a| a.connector().into())
    }

    /// `asset["aws.ec2.instanceType"]`: text, number or bool; a list for tokens with many values; `()` for none.
    pub(super) fn token(&mut self, name: &str) -> Found<Dynamic> {
        self.world.token(name, self.row)
    }

    /// `asset.tag("owner")`: the value of the provider's tag, `()` where it has none of that name.
    pub(super) fn tag(&mut self, key: &str) -> Found<Dynamic> {
        self.world.provider_tag(key, self.row)
    }

    /// `asset.matches("query")`.
    pub(super) fn matches(&mut self, text: &str) -> Found<bool> {
        match self.world.members(text)?.of(self.row) {
            Truth::In => Ok(true),
            Truth::Out => Ok(false),
            Truth::CannotTell => Err(self.world.cannot_tell(&format!("whether it matches `{text}`"), &[])),
        }
    }
}
