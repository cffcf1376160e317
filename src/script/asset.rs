//! The asset as a script sees it: any token by name, read when asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use rhai::{Array, Dynamic, EvalAltResult, ImmutableString};

use crate::base::limits::Limits;
use crate::base::nearest::did_you_mean;
use crate::base::source::FileId;
use crate::inventory::catalogue::{self, Lookup, ids};
use crate::inventory::snapshot::{Snapshot, ValueRef};
use crate::lang::query::check::{Dialect, Scope, check};
use crate::lang::query::predicate::{Membership, Moment, Truth};
use crate::lang::query::tags::TagMembership;
use crate::lang::syntax::parse_query;

/// The most distinct queries that `matches` keeps the answers of.
const QUERIES_KEPT: usize = 64;

/// What a script may look at: one snapshot with its tags, at one moment.
pub(super) struct World {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) tags: Arc<TagMembership>,
    pub(super) now: Timestamp,
    pub(super) limits: Limits,
    /// Answers of the queries that `matches` was asked, for all assets at once.
    pub(super) queries: Mutex<HashMap<ImmutableString, Arc<Membership>>>,
}

/// One asset.
#[derive(Clone)]
pub(super) struct AssetValue {
    pub(super) world: Arc<World>,
    pub(super) row: u32,
}

type Answer<T> = Result<T, Box<EvalAltResult>>;

fn fail<T>(text: String) -> Answer<T> {
    Err(text.into())
}

fn dynamic(value: ValueRef<'_>) -> Dynamic {
    match value {
        ValueRef::Str(s) => s.into(),
        ValueRef::Num(n) => n.into(),
        ValueRef::Bool(b) => b.into(),
        ValueRef::Date(at) => at.to_string().into(),
        ValueRef::Ip(ip) => ip.to_string().into(),
    }
}

impl AssetValue {
    pub(super) fn id(&mut self) -> ImmutableString {
        self.world.snapshot.asset(self.row).map_or("", |a| a.id()).into()
    }

    pub(super) fn name(&mut self) -> Dynamic {
        self.world.snapshot.asset(self.row).and_then(|a| a.name()).map_or(Dynamic::UNIT, Into::into)
    }

    /// `asset["aws.ec2.instanceType"]`: the value, `()` for none, an array for tokens with several.
    pub(super) fn token(&mut self, name: ImmutableString) -> Answer<Dynamic> {
        let id = match catalogue::look_up(&name) {
            Lookup::Exact(id) | Lookup::Alias(id) | Lookup::Case(id) => id,
            Lookup::Unknown(_) => {
                let near = did_you_mean(&name, catalogue::tokens().iter().map(|t| t.name));
                return fail(format!("there is no token `{name}`{}", near.map_or(String::new(), |n| format!("; {n}"))));
            }
        };
        if id == ids::TAGS_NAME {
            let tags: Array = self.world.tags.tags_of(self.row).iter().map(|t| Dynamic::from(t.to_string())).collect();
            return Ok(tags.into());
        }
        let column = self.world.snapshot.column(id);
        let mut values = column.cells(self.row).filter_map(|c| column.value(c.code)).map(dynamic);
        if catalogue::token(id).many {
            let all: Array = values.collect();
            if !all.is_empty() {
                return Ok(all.into());
            }
        } else if let Some(value) = values.next() {
            return Ok(value);
        }
        match column.gaps(self.row).first() {
            Some(gap) => fail(format!("cannot tell `{name}`: {} {}", gap.partition, gap.cause)),
            None if catalogue::token(id).many => Ok(Array::new().into()),
            None => Ok(Dynamic::UNIT),
        }
    }

    /// `asset.matches("provider: AWS")`.
    pub(super) fn matches(&mut self, query: ImmutableString) -> Answer<bool> {
        let known = self.world.queries.lock().unwrap_or_else(|e| e.into_inner()).get(&query).cloned();
        let members = match known {
            Some(members) => members,
            None => {
                let members = Arc::new(self.evaluate(&query)?);
                let mut all = self.world.queries.lock().unwrap_or_else(|e| e.into_inner());
                if all.len() < QUERIES_KEPT {
                    all.insert(query.clone(), Arc::clone(&members));
                }
                members
            }
        };
        match members.of(self.row) {
            Truth::In => Ok(true),
            Truth::Out => Ok(false),
            Truth::CannotTell => {
                fail(format!("cannot tell whether `{query}` holds: part of the inventory was not read"))
            }
        }
    }

    fn evaluate(&self, query: &str) -> Answer<Membership> {
        let (tree, mut found) = parse_query(query, FileId(0), 0, &self.world.limits);
        let names: Vec<&str> = self.world.tags.names().iter().map(|n| n.as_ref()).collect();
        let scope = Scope {
            lets: &|_| None,
            values: &|_| None,
            let_names: Vec::new(),
            known_tags: Some(names),
            provider: None,
            free_text: false,
            dialect: Dialect::Default,
            portable: false,
        };
        let predicate = tree.and_then(|tree| {
            let (predicate, more) = check(&tree, &scope);
            found.extend(more);
            predicate
        });
        match predicate {
            Some(predicate) => {
                let moment = Moment { now: self.world.now, tags: Some(&self.world.tags) };
                Ok(predicate.evaluate(&self.world.snapshot, &moment))
            }
            None => {
                let first = found.iter().find(|d| d.is_error());
                fail(format!("the query `{query}` is wrong: {}", first.map_or("", |d| &d.message)))
            }
        }
    }
}
