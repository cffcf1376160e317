//! Google's cloud: aggregated lists of the Compute Engine interface, project by project, with partial success: a zone
//! that does not answer is a gap of its region, not of the project.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;

use crate::base::clock::Clock;
use crate::base::limits::Limits;
use crate::base::progress::{Progress, Stop};
use crate::connector::desk::shown;
use crate::connector::live::bearer::{Bearer, Used};
use crate::connector::live::budget::{Meter, Quota};
use crate::connector::live::caller::{Caller, Failure, Patience, Terms, spread};
use crate::connector::live::gcp_token::GcpIssuer;
use crate::connector::live::http::{Method, Request, endpoint};
use crate::connector::live::refusal::judge;
use crate::connector::live::secret::Secret;
use crate::connector::live::trail::Trail;
use crate::connector::live::{Claim, Fetched, Live, Origin, Ownership, Pages, Permission, Recording};
use crate::inventory::partition::{Kind, PartitionState};
use crate::lang::job::Connector;

/// The Compute Engine interface.
const PUBLIC: &str = "https://compute.googleapis.com";
/// Calls a project may make; lists are counted per project and minute.
const LISTS: Quota = Quota { burst: 20, per_second: 10.0 };
/// Results of one page, the most that are given.
const RESULTS: u32 = 500;
/// Claims of one filter.
const BATCH: usize = 40;

/// One listing: what it fills, its name in the address and in the answer, the members that are asked for, its right and
/// what for. Only these members come: metadata, which may hold secrets of machines, never leaves the provider.
struct List {
    kind: Kind,
    name: &'static str,
    answer: &'static str,
    members: &'static str,
    right: &'static str,
    need: &'static str,
}

const INSTANCES: List = List {
    kind: Kind::Instances,
    name: "instances",
    answer: "compute#instanceAggregatedList",
    members: "kind,id,name,hostname,status,zone,machineType,selfLink,creationTimestamp,sourceMachineImage,labels,\
              disks(boot,licenses,initializeParams/sourceImage),networkInterfaces(name,network,networkIP,ipv6Address,\
              accessConfigs(natIP,publicPtrDomainName),ipv6AccessConfigs(externalIpv6,publicPtrDomainName))",
    right: "compute.instances.list",
    need: "machines, and their addresses before a packet",
};

const RULES: List = List {
    kind: Kind::LoadBalancers,
    name: "forwardingRules",
    answer: "compute#forwardingRuleAggregatedList",
    members: "kind,id,name,IPAddress,loadBalancingScheme,region,selfLink",
    right: "compute.forwardingRules.list",
    need: "load balancers",
};

const ADDRESSES: List = List {
    kind: Kind::Addresses,
    name: "addresses",
    answer: "compute#addressAggregatedList",
    members: "kind,id,name,address,addressType,region,selfLink",
    right: "compute.addresses.list",
    need: "reserved addresses",
};

const LISTED: [List; 3] = [INSTANCES, RULES, ADDRESSES];

/// Global resources are listed with the regional ones, by rights of their own.
const GLOBAL_RIGHTS: [&str; 2] = ["compute.globalAddresses.list", "compute.globalForwardingRules.list"];

/// What a Google connector of a job file says.
#[derive(Clone, Default)]
pub struct GcpConfig {
    /// Project ids.
    pub projects: Vec<String>,
    /// Text of a key or federation file.
    pub credentials: Option<Secret>,
    /// The Compute Engine interface, where it is not the public one.
    pub endpoint: Option<String>,
    /// Share of each quota that may be used, 1 to 100.
    pub call_budget_percent: u8,
}

impl GcpConfig {
    /// As the job file describes it; the credentials have been fetched already.
    pub fn of(connector: &Connector, credentials: Option<Secret>) -> Self {
        Self {
            projects: connector.cloud.projects.clone(),
            credentials,
            endpoint: connector.endpoint.as_ref().map(|e| e.value.clone()),
            call_budget_percent: connector.call_budget,
        }
    }
}

/// A live connector to Google's cloud.
pub struct Gcp {
    caller: Caller,
    bearer: Bearer,
    config: GcpConfig,
    base: String,
    limits: Limits,
}

impl Gcp {
    /// A connector of this configuration; nothing is asked yet.
    pub fn new(config: GcpConfig, limits: &Limits, clock: Arc<dyn Clock>, seed: u64) -> Result<Self, String> {
        let base = endpoint(config.endpoint.as_deref().unwrap_or(PUBLIC))?;
        let caller = Caller::new(limits, clock, config.call_budget_percent, seed)?;
        let bearer = Bearer::new(Box::new(GcpIssuer::new(config.credentials.clone())));
        Ok(Self { caller, bearer, config, base, limits: limits.clone() })
    }

    /// One page of an aggregated list; `rest` is the query's end.
    async fn page(&self, project: &str, list: &List, rest: &str, terms: (Patience, &Stop)) -> Result<Page, Failure> {
        let url = format!(
            "{}/compute/v1/projects/{project}/aggregated/{}?returnPartialSuccess=true&fields={}{rest}",
            self.base,
            list.name,
            encoded(&format!(
                "kind,id,nextPageToken,unreachables,warning,items/*/warning,items/*/{}({})",
                list.name, list.members
            ))
        );
        let meter = Meter { account: project.into(), region: "".into(), call: list.right.into() };
        let used = Used::default();
        self.caller
            .call(
                Terms { meter: &meter, quota: LISTS, patience: terms.0, stop: terms.1 },
                async |at| self.bearer.sign(Request::new(Method::Get, url.as_str()), at, &used).await,
                |response| judge(&response, |body| Page::read(body, list)),
            )
            .await
    }

    /// All pages of one listing of one project.
    async fn list(&self, project: &str, list: &List, to: &dyn Pages, stop: &Stop) -> Recording {
        let mut pages = 0;
        let (mut token, mut trail): (Option<String>, _) = (None, Trail::default());
        let end = loop {
            if pages >= self.limits.pages_per_partition {
                break Err(Failure::Failed(format!("more than {} pages", self.limits.pages_per_partition)));
            }
            let next = token.as_deref().map(|t| format!("&pageToken={}", encoded(t))).unwrap_or_default();
            let rest = format!("&maxResults={}{next}", RESULTS.min(self.limits.records_per_page));
            match self.page(project, list, &rest, (Patience::reading(&self.limits), stop)).await {
                Err(failure) => break Err(failure),
                Ok(page) => {
                    let (account, region, at) = (project.into(), "".into(), self.caller.now());
                    to.page(&Origin { account, region, kind: list.kind, at }, page.text);
                    pages += 1;
                    match page.next {
                        None => break Ok(()),
                        Some(next) if !trail.is_new(&next) => {
                            break Err(Failure::Failed("the next page is an earlier page".to_owned()));
                        }
                        Some(next) => token = Some(next),
                    }
                }
            }
        };
        let state = match end {
            Ok(()) => PartitionState::Complete,
            Err(failure) => failure.state(pages > 0),
        };
        let (account, region, taken_at) = (project.into(), "".into(), self.caller.now());
        Recording { account, region, kind: list.kind, state, pages: Vec::new(), taken_at }
    }

    async fn read_all(&self, to: &dyn Pages, progress: &dyn Progress, stop: &Stop) -> Fetched {
        if let Err(failure) = self.bearer.check().await {
            return self.nothing(&failure);
        }
        let work: Vec<(&str, &List)> =
            self.config.projects.iter().flat_map(|p| LISTED.iter().map(|l| (p.as_str(), l))).collect();
        progress.start("sync", work.len() as u64);
        let done = std::sync::atomic::AtomicU64::new(0);
        let recordings = spread(work, self.limits.calls_in_flight, async |(project, list)| {
            let recording = self.list(project, list, to, stop).await;
            let n = done.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            progress.update("sync", n, project);
            recording
        })
        .await;
        let accounts = self.config.projects.iter().map(|p| p.as_str().into()).collect();
        let mut fetched = Fetched { usage: self.caller.usage(), accounts: Some(accounts), ..Fetched::default() };
        for recording in recordings {
            // Interfaces stand in the machines' records.
            let interfaces =
                (recording.kind == Kind::Instances).then(|| Recording { kind: Kind::Interfaces, ..recording.clone() });
            fetched.recordings.push(recording);
            fetched.recordings.extend(interfaces);
        }
        if self.config.projects.is_empty() {
            fetched.errors.push("the connector names no project; write projects = [\"my-project\"]".to_owned());
        }
        progress.finish("sync");
        fetched
    }

    /// Every partition that should have been read, with the reason why it was not.
    fn nothing(&self, failure: &Failure) -> Fetched {
        let kinds = || LISTED.iter().map(|l| l.kind).chain([Kind::Interfaces]);
        let places = self.config.projects.iter().flat_map(|p| kinds().map(move |kind| (p, kind)));
        let recordings = places.map(|(project, kind)| Recording {
            account: project.as_str().into(),
            region: "".into(),
            kind,
            state: failure.state(false),
            pages: Vec::new(),
            taken_at: self.caller.now(),
        });
        let recordings = recordings.collect();
        Fetched { recordings, errors: vec![format!("no call was made: {failure}")], ..Fetched::default() }
    }

    /// One answer a claim, in order: claims of one project are asked about together.
    async fn confirm_all(&self, claims: &[Claim], stop: &Stop) -> Vec<Ownership> {
        let mut groups: BTreeMap<(&str, bool), Vec<usize>> = BTreeMap::new();
        for (n, claim) in claims.iter().enumerate() {
            groups.entry((&claim.account, claim.interface.is_empty())).or_default().push(n);
        }
        let batches = groups.into_iter().flat_map(|(key, all)| {
            let chunks: Vec<Vec<usize>> = all.chunks(BATCH).map(<[usize]>::to_vec).collect();
            chunks.into_iter().map(move |chunk| (key, chunk))
        });
        let batches: Vec<_> = batches.collect();
        let told = spread(batches, self.limits.calls_in_flight, async |((project, balancers), chunk)| {
            let own: Vec<&Claim> = chunk.iter().filter_map(|n| claims.get(*n)).collect();
            let list = if balancers { &RULES } else { &INSTANCES };
            let holdings = self.holdings(project, list, &own, stop).await;
            let answers: Vec<Ownership> = own.iter().map(|c| ownership(c, &holdings)).collect();
            chunk.into_iter().zip(answers).collect::<Vec<_>>()
        })
        .await;
        let mut answers: Vec<(usize, Ownership)> = told.into_iter().flatten().collect();
        answers.sort_by_key(|(n, _)| *n);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Who has which addresses now, of the resources that are claimed.
    async fn holdings(&self, project: &str, list: &List, claims: &[&Claim], stop: &Stop) -> Result<Holdings, String> {
        let mut ids: Vec<&str> = claims.iter().map(|c| &*c.asset).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
        if ids.is_empty() || project.is_empty() {
            return Err("the claim names no instance of a project".to_owned());
        }
        let filter: Vec<String> = ids.iter().map(|id| format!("(id = {id})")).collect();
        let rest = format!("&maxResults={RESULTS}&filter={}", encoded(&filter.join(" OR ")));
        let page = self.page(project, list, &rest, (Patience::BRIEF, stop)).await.map_err(|e| e.to_string())?;
        Holdings::read(&page.text)
    }

    async fn try_permissions(&self, stop: &Stop) -> Vec<Permission> {
        let work = self.config.projects.iter().flat_map(|p| LISTED.iter().map(move |l| (p, l)));
        spread(work, self.limits.calls_in_flight, async |(project, list): (&String, &List)| {
            let tried = self.page(project, list, "&maxResults=1", (Patience::BRIEF, stop)).await;
            Permission {
                name: list.right.to_owned(),
                place: format!("project {project}"),
                need: list.need,
                refused: tried.err().map(|e| e.to_string()),
            }
        })
        .await
    }
}

impl Live for Gcp {
    fn read(&self, pages: &dyn Pages, progress: &dyn Progress, stop: &Stop) -> Fetched {
        self.caller.run(self.read_all(pages, progress, stop))
    }

    fn confirm(&self, claims: &[Claim]) -> Vec<Ownership> {
        self.caller.run(self.confirm_all(claims, &Stop::default()))
    }

    fn permissions(&self) -> Vec<Permission> {
        self.caller.run(self.try_permissions(&Stop::default()))
    }

    /// A custom role, for `gcloud iam roles create NAME --project=PROJECT --file=FILE`.
    fn policy_document(&self) -> String {
        let mut rights: Vec<&str> = LISTED.iter().map(|l| l.right).chain(GLOBAL_RIGHTS).collect();
        rights.sort_unstable();
        let role = serde_json::json!({
            "title": "Palisade inventory reader",
            "description": "Lists machines, forwarding rules and addresses.",
            "stage": "GA",
            "includedPermissions": rights,
        });
        serde_json::to_string_pretty(&role).unwrap_or_default()
    }
}

/// One page, and the next one's token.
struct Page {
    text: String,
    next: Option<String>,
}

impl Page {
    /// A list says what it is a list of; an answer that does not is no empty list.
    fn read(body: &[u8], list: &List) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Marks {
            kind: String,
            #[serde(rename = "nextPageToken", default)]
            next: Option<String>,
        }
        let marks: Marks = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        if !body.trim_ascii_start().starts_with(b"{") || marks.kind != list.answer {
            return Err(format!("it is no `{}`", list.answer));
        }
        let text = String::from_utf8(body.to_vec()).map_err(|e| e.to_string())?;
        Ok(Self { text, next: marks.next.filter(|t| !t.is_empty()) })
    }
}

/// Addresses by resource id and interface.
struct Holdings {
    of: BTreeMap<String, Vec<(String, IpAddr)>>,
    /// What did not answer.
    unread: Option<String>,
}

impl Holdings {
    fn read(text: &str) -> Result<Self, String> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Answer {
            items: BTreeMap<String, Scope>,
            unreachables: Vec<String>,
            next_page_token: Option<String>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Scope {
            instances: Vec<Instance>,
            forwarding_rules: Vec<Rule>,
            warning: Option<Warning>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Warning {
            code: String,
        }
        #[derive(Deserialize)]
        struct Rule {
            id: String,
            #[serde(rename = "IPAddress")]
            address: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Instance {
            id: String,
            #[serde(default)]
            network_interfaces: Vec<Nic>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Nic {
            name: String,
            #[serde(rename = "networkIP")]
            network_ip: Option<String>,
            ipv6_address: Option<String>,
            access_configs: Vec<Access>,
            ipv6_access_configs: Vec<Access>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Access {
            #[serde(rename = "natIP")]
            nat_ip: Option<String>,
            external_ipv6: Option<String>,
        }
        let answer: Answer = serde_json::from_str(text).map_err(|e| format!("the answer was not understood: {e}"))?;
        let mut of: BTreeMap<String, Vec<(String, IpAddr)>> = BTreeMap::new();
        let mut unread = answer.unreachables.first().map(|u| format!("`{}` did not answer", shown(u)));
        if answer.next_page_token.is_some_and(|t| !t.is_empty()) {
            unread = Some("the answer has a further page".to_owned());
        }
        for (scope, found) in answer.items {
            if found.warning.is_some_and(|w| w.code != "NO_RESULTS_ON_PAGE") {
                unread = Some(format!("`{}` did not answer", shown(&scope)));
            }
            for rule in found.forwarding_rules {
                let addr = rule.address.as_deref().and_then(|a| a.split('/').next()?.parse().ok());
                of.entry(rule.id).or_default().extend(addr.map(|a| (String::new(), a)));
            }
            for instance in found.instances {
                let held = of.entry(instance.id).or_default();
                for nic in instance.network_interfaces {
                    let access = nic.access_configs.into_iter().chain(nic.ipv6_access_configs);
                    let public = access.flat_map(|a| [a.nat_ip, a.external_ipv6]);
                    let all = [nic.network_ip, nic.ipv6_address].into_iter().chain(public).flatten();
                    held.extend(all.filter_map(|a| a.parse().ok()).map(|a| (nic.name.clone(), a)));
                }
            }
        }
        Ok(Self { of, unread })
    }
}

fn ownership(claim: &Claim, holdings: &Result<Holdings, String>) -> Ownership {
    let holdings = match holdings {
        Ok(holdings) => holdings,
        Err(why) => return Ownership::Unknown(why.clone()),
    };
    match (holdings.of.get(&*claim.asset), &holdings.unread) {
        (Some(held), _) if held.iter().any(|(nic, a)| *a == claim.addr && **nic == *claim.interface) => {
            Ownership::Confirmed
        }
        (Some(held), _) => match held.iter().find(|(_, a)| *a == claim.addr) {
            Some((nic, _)) => Ownership::Lost(format!("{} is on `{}` now", claim.addr, shown(nic))),
            None => Ownership::Lost(format!("`{}` does not have {} any more", shown(&claim.asset), claim.addr)),
        },
        (None, Some(why)) => Ownership::Unknown(why.clone()),
        (None, None) => Ownership::Lost(format!("`{}` is gone", shown(&claim.asset))),
    }
}

/// Percent-encoding of everything that is not unreserved. RFC 3986, 2.1 and 2.3.
fn encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}
