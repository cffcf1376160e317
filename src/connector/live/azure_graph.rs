//! Azure Resource Graph: one query for many subscriptions, page by page, sorted out by subscription.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::base::progress::Stop;
use crate::connector::desk::{last_segment, segment_after};
use crate::connector::lenient::{Text, some};
use crate::connector::live::Pages;
use crate::connector::live::azure::{Azure, GRAPH};
use crate::connector::live::bearer::Used;
use crate::connector::live::caller::{Failure, Patience, Terms};
use crate::connector::live::http::{Method, Request};
use crate::connector::live::refusal::judge;
use crate::connector::live::trail::Trail;
use crate::inventory::partition::{Kind, PartitionState};

/// Version of Resource Graph's interface.
const VERSION: &str = "2022-10-01";
/// Rows of one page, the most that are given.
const ROWS: u32 = 1_000;
/// Subscriptions of one query, the most that are taken.
const SUBSCRIPTIONS: usize = 1_000;

/// One query a kind. Sorted by id, as paging needs. Scale sets stand with the machines, to know whom else to ask.
pub(super) const QUERIES: &[(Kind, &str)] = &[
    (
        Kind::Instances,
        "Resources | where type in~ ('microsoft.compute/virtualmachines', 'microsoft.compute/virtualmachinescalesets') \
         | project id, name, type, location, tags, sku, properties | order by id asc",
    ),
    (
        Kind::Interfaces,
        "Resources | where type =~ 'microsoft.network/networkinterfaces' \
         | project id, name, type, location, properties | order by id asc",
    ),
    (
        Kind::Addresses,
        "Resources | where type =~ 'microsoft.network/publicipaddresses' \
         | project id, name, type, location, properties | order by id asc",
    ),
    (
        Kind::LoadBalancers,
        "Resources | where type in~ ('microsoft.network/loadbalancers', 'microsoft.network/applicationgateways') \
         | project id, name, type, location, properties | order by id asc",
    ),
];

/// A scale set whose machines have records of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScaleSet {
    pub(super) subscription: Arc<str>,
    pub(super) location: Arc<str>,
    pub(super) id: String,
    pub(super) name: String,
}

/// What was said about one kind in one subscription.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) subscription: Arc<str>,
    pub(super) kind: Kind,
    /// Resources that were named.
    pub(super) rows: u64,
    pub(super) state: PartitionState,
    pub(super) sets: Vec<ScaleSet>,
}

/// One page of rows.
#[derive(Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    #[serde(rename = "totalRecords")]
    total: u64,
    #[serde(rename = "$skipToken", default)]
    skip_token: Option<String>,
    #[serde(rename = "resultTruncated", default)]
    truncated: Option<serde_json::Value>,
}

/// What sorts a row.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(rename = "type")]
    ty: Option<Text<'a>>,
    location: Option<Text<'a>>,
    sku: Option<Sku>,
    properties: Option<SetProperties<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sku {
    capacity: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SetProperties<'a> {
    #[serde(borrow, rename = "orchestrationMode")]
    orchestration: Option<Text<'a>>,
}

/// What came in, by subscription: how many rows, and which scale sets.
#[derive(Default)]
struct Sorted {
    rows: BTreeMap<Arc<str>, (u64, Vec<ScaleSet>)>,
    count: u64,
}

impl Sorted {
    /// Sorts one page: each subscription's rows are a page of its own. A row of an unknown subscription goes to the
    /// first one, where its reading will say what is wrong with it.
    fn take(&mut self, page: &Page, group: &[Arc<str>], mut hand_over: impl FnMut(&Arc<str>, String)) {
        self.count += page.data.len() as u64;
        let mut own: BTreeMap<Arc<str>, Vec<&str>> = BTreeMap::new();
        for row in &page.data {
            let head: Head<'_> = serde_json::from_str(row.get()).unwrap_or_default();
            let id = some(head.id.as_ref()).unwrap_or("");
            let subscription = segment_after(id, "subscriptions").map(str::to_ascii_lowercase);
            let known = group.iter().find(|s| Some(&***s) == subscription.as_deref()).or(group.first());
            let Some(known) = known else { continue };
            if some(head.ty.as_ref())
                .is_some_and(|t| t.eq_ignore_ascii_case("microsoft.compute/virtualmachinescalesets"))
            {
                let entry = self.rows.entry(Arc::clone(known)).or_default();
                entry.0 += 1;
                entry.1.extend(scale_set(&head, known));
            } else {
                own.entry(Arc::clone(known)).or_default().push(row.get());
            }
        }
        for (subscription, rows) in own {
            hand_over(&subscription, format!("{{\"value\":[{}]}}", rows.join(",")));
            self.rows.entry(subscription).or_default().0 += rows.len() as u64;
        }
    }
}

/// A set to be asked: machines of a flexible one are plain machines, and an empty one has none.
fn scale_set(head: &Head<'_>, subscription: &Arc<str>) -> Option<ScaleSet> {
    let id = some(head.id.as_ref())?;
    let mode = head.properties.as_ref().and_then(|p| some(p.orchestration.as_ref()));
    let flexible = mode.is_some_and(|m| m.eq_ignore_ascii_case("flexible"));
    let empty = head.sku.as_ref().and_then(|s| s.capacity) == Some(0);
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.()".contains(&b)) && id.starts_with('/');
    (!flexible && !empty && plain).then(|| ScaleSet {
        subscription: Arc::clone(subscription),
        location: some(head.location.as_ref()).unwrap_or("").to_ascii_lowercase().replace(' ', "").into(),
        id: id.to_owned(),
        name: last_segment(id).to_owned(),
    })
}

impl Azure {
    /// One kind in all subscriptions; one answer a subscription, in their order. A query that is refused for many is
    /// asked again for each half of them, until it is known which one was refused.
    pub(super) async fn ask_graph(
        &self,
        (kind, query): (Kind, &str),
        subscriptions: &[Arc<str>],
        to: &dyn Pages,
        stop: &Stop,
    ) -> Vec<Answer> {
        let mut groups: Vec<&[Arc<str>]> = subscriptions.chunks(SUBSCRIPTIONS).rev().collect();
        let mut answers = Vec::with_capacity(subscriptions.len());
        while let Some(group) = groups.pop() {
            let (sorted, end) = self.read_pages((kind, query), group, to, stop).await;
            if matches!(end, Err(Failure::Denied(_))) && sorted.count == 0 && group.len() > 1 {
                let (front, back) = group.split_at(group.len() / 2);
                groups.extend([back, front]);
                continue;
            }
            let Sorted { mut rows, count } = sorted;
            for subscription in group {
                let (own, sets) = rows.remove(subscription).unwrap_or_default();
                let state = match &end {
                    Ok(()) => PartitionState::Complete,
                    Err(failure) => failure.state(count > 0),
                };
                answers.push(Answer { subscription: Arc::clone(subscription), kind, rows: own, state, sets });
            }
        }
        answers
    }

    async fn read_pages(
        &self,
        (kind, query): (Kind, &str),
        group: &[Arc<str>],
        to: &dyn Pages,
        stop: &Stop,
    ) -> (Sorted, Result<(), Failure>) {
        let mut sorted = Sorted::default();
        let (mut token, mut trail): (Option<String>, _) = (None, Trail::default());
        for _ in 0..self.limits.pages_per_partition {
            let page =
                match self.graph_page(query, group, token.as_deref(), (Patience::reading(&self.limits), stop)).await {
                    Ok(page) => page,
                    Err(failure) => return (sorted, Err(failure)),
                };
            sorted.take(&page, group, |subscription, text| {
                to.page(&self.origin(subscription, &"".into(), kind), text);
            });
            let end = match page.skip_token.filter(|t| !t.is_empty()) {
                Some(next) if !trail.is_new(&next) => Err("the next page is an earlier page".to_owned()),
                Some(next) => {
                    token = Some(next);
                    continue;
                }
                // Both are said where rows were left out without a next page.
                None if page.truncated.is_some_and(|t| t == "true" || t == true) => {
                    Err("Resource Graph cut its answer and gives no next page".to_owned())
                }
                None if sorted.count != page.total => {
                    Err(format!("Resource Graph counts {} rows and gave {}", page.total, sorted.count))
                }
                None => Ok(()),
            };
            return (sorted, end.map_err(Failure::Failed));
        }
        (sorted, Err(Failure::Failed(format!("more than {} pages", self.limits.pages_per_partition))))
    }

    async fn graph_page(
        &self,
        query: &str,
        group: &[Arc<str>],
        token: Option<&str>,
        patience: (Patience, &Stop),
    ) -> Result<Page, Failure> {
        let meter = Self::meter("", "Microsoft.ResourceGraph/resources/read");
        let mut options =
            serde_json::json!({ "resultFormat": "objectArray", "$top": ROWS.min(self.limits.records_per_page) });
        if let (Some(token), Some(map)) = (token, options.as_object_mut()) {
            map.insert("$skipToken".to_owned(), token.into());
        }
        let subscriptions: Vec<&str> = group.iter().map(|s| &**s).collect();
        let body =
            serde_json::json!({ "subscriptions": subscriptions, "query": query, "options": options }).to_string();
        let url = format!("{}/providers/Microsoft.ResourceGraph/resources?api-version={VERSION}", self.base);
        let used = Used::default();
        let terms = Terms { meter: &meter, quota: GRAPH, patience: patience.0, stop: patience.1 };
        self.caller
            .call(
                terms,
                async |at| {
                    let request = Request::new(Method::Post, url.as_str()).body("application/json", body.as_bytes());
                    self.bearer.sign(request, at, &used).await
                },
                |response| judge(&response, |bytes| serde_json::from_slice(bytes).map_err(|e| e.to_string())),
            )
            .await
    }

    /// Rows of one short query, for confirming and trying; one page is enough.
    pub(super) async fn graph_rows(
        &self,
        query: &str,
        group: &[Arc<str>],
        stop: &Stop,
    ) -> Result<Vec<Box<RawValue>>, Failure> {
        Ok(self.graph_page(query, group, None, (Patience::BRIEF, stop)).await?.data)
    }
}
