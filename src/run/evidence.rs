//! Evidence of a run made whole: every host that was sent to, with what the scan, the plan and the inventory know of it,
//! so that it can be judged later without any of them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::host_facts::Beside;
use crate::base::fast::FastMap;
use crate::inventory::asset::Provider;
use crate::inventory::catalogue::{self, TokenId, ids};
use crate::inventory::snapshot::Snapshot;
use crate::lang::job::Protocol;
use crate::lang::query::facts::text;
use crate::plan::plan::{Plan, Resolution};
use crate::plan::target::Target;
use crate::scan::ScanOutcome;
use crate::scan::observation::{HostObservation, HostState, PortState};
use crate::service::evidence::{Facts, HostEvidence};

/// The guide's block of cloud facts, rules B10 and L5.
fn block(provider: Provider) -> &'static [TokenId] {
    match provider {
        Provider::Aws => &[
            ids::AWS_PUBLIC_DNS,
            ids::AWS_IMAGE,
            ids::AWS_VPC,
            ids::AWS_STATE,
            ids::AWS_PRIVATE_DNS,
            ids::AWS_TYPE,
            ids::AWS_ACCOUNT,
            ids::AWS_REGION,
        ],
        Provider::Azure => &[
            ids::AZURE_VM_ID,
            ids::AZURE_LOCATION,
            ids::AZURE_STATE,
            ids::AZURE_SIZE,
            ids::AZURE_GROUP,
            ids::AZURE_SUBSCRIPTION,
            ids::AZURE_NETWORK,
            ids::AZURE_PRIVATE_IP,
        ],
        Provider::Gcp => &[
            ids::GCP_INSTANCE,
            ids::GCP_ZONE,
            ids::GCP_STATE,
            ids::GCP_TYPE,
            ids::GCP_PROJECT,
            ids::GCP_NETWORK,
            ids::GCP_HOSTNAME,
        ],
    }
}

/// Hosts from which on several threads share the work.
const HOSTS_FOR_THREADS: usize = 4_096;

/// Adds what the scan, the plan and the inventory know, and the hosts that nobody talked to.
pub(super) fn whole(
    talked: Vec<HostEvidence>,
    plan: &Plan,
    outcome: &ScanOutcome,
    snapshot: &Snapshot,
    beside: &Beside<'_>,
) -> Vec<HostEvidence> {
    let mut by_target: HashMap<(Arc<str>, IpAddr), HostEvidence> =
        talked.into_iter().map(|h| ((Arc::clone(&h.asset), h.addr), h)).collect();
    let mut resolutions: HashMap<&str, Vec<&Resolution>> = HashMap::new();
    for resolution in &plan.resolutions {
        resolutions.entry(&resolution.asset).or_default().push(resolution);
    }
    let mut packets = outcome.ledger.by_destination();
    for ledger in [&outcome.earlier, &outcome.beside] {
        ledger.by_destination().into_iter().for_each(|(to, n)| *packets.entry(to).or_default() += n);
    }
    let all = Known { plan, outcome, snapshot, beside, packets, resolutions };
    let mut seen: Vec<(&HostObservation, &Target, Option<HostEvidence>)> = Vec::with_capacity(outcome.hosts.len());
    for host in &outcome.hosts {
        if let Some(target) = plan.targets.get(host.target as usize) {
            let key = (Arc::clone(&target.warrant().asset), target.addr());
            seen.push((host, target, by_target.remove(&key)));
        }
    }
    let threads = match seen.len() {
        0..HOSTS_FOR_THREADS => 1,
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut hosts = Vec::with_capacity(seen.len());
    let share = seen.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let mut left = seen.into_iter();
        let mut running = Vec::new();
        for _ in 1..threads {
            let part: Vec<_> = left.by_ref().take(share).collect();
            running.push(scope.spawn(|| all.of(part)));
        }
        let last = all.of(left);
        for thread in running {
            hosts.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        hosts.extend(last);
    });
    hosts
}

/// What is known besides the conversations.
struct Known<'a> {
    plan: &'a Plan,
    outcome: &'a ScanOutcome,
    snapshot: &'a Snapshot,
    /// What the run learned beside the conversations.
    beside: &'a Beside<'a>,
    /// Packets by address.
    packets: FastMap<IpAddr, u64>,
    /// Names that the plan resolved, by asset.
    resolutions: HashMap<&'a str, Vec<&'a Resolution>>,
}

/// What hosts that look alike have in common: what the scan saw, what the inventory says, packets; whether something
/// was learned of one of them alone, and whether it was scanned to the end.
type Alike =
    (HostState, BTreeMap<PortState, u32>, Vec<(Protocol, u16, PortState)>, Vec<Option<u32>>, Option<u64>, [bool; 2]);

impl Known<'_> {
    /// Evidence of these hosts. Those that look alike share their facts.
    fn of<'b>(
        &self,
        seen: impl IntoIterator<Item = (&'b HostObservation, &'b Target, Option<HostEvidence>)>,
    ) -> Vec<HostEvidence> {
        let mut alike: HashMap<Alike, Facts> = HashMap::new();
        let mut hosts = Vec::new();
        for (seen, target, talked) in seen {
            let asset = &target.warrant().asset;
            let mut host = match talked {
                Some(mut host) => {
                    self.common(&mut host.facts, seen, target);
                    host
                }
                None => {
                    let key = self.looks(seen, target);
                    let common = alike.entry(key).or_insert_with(|| {
                        let mut facts = Facts::default();
                        self.common(&mut facts, seen, target);
                        facts
                    });
                    HostEvidence {
                        asset: Arc::clone(asset),
                        addr: target.addr(),
                        name: target.name().cloned(),
                        facts: common.clone(),
                        services: Vec::new(),
                        unattributed: false,
                    }
                }
            };
            if let Some((first, last)) = seen.span {
                host.facts.set("scan.started", first);
                host.facts.set("scan.finished", last);
            }
            if let Some(resolutions) = self.resolutions.get(&**asset) {
                names(&mut host, resolutions);
            }
            if self.beside.knows(seen, self.outcome) {
                self.beside.tell(&mut host.facts, seen, self.outcome);
            }
            hosts.push(host);
        }
        hosts
    }

    /// Two hosts with the same looks have the same common facts.
    fn looks(&self, seen: &HostObservation, target: &Target) -> Alike {
        let ports = seen.ports.iter().map(|p| (p.protocol, p.port, p.state)).collect();
        let row =
            self.snapshot.row_of(&target.warrant().asset).and_then(|row| self.snapshot.asset(row).map(|a| (row, a)));
        let codes = row.map(|(row, asset)| {
            let first = |token: &TokenId| {
                let column = self.snapshot.column(*token);
                column.cells(row).map(|c| c.code).find(|code| column.value(*code).is_some())
            };
            std::iter::once(Some(asset.provider() as u32)).chain(block(asset.provider()).iter().map(first)).collect()
        });
        let packets = self.packets.get(&target.addr()).copied();
        let alone = [self.beside.knows(seen, self.outcome), self.outcome.is_over(seen, self.plan.probes.count())];
        (seen.state, seen.counts.clone(), ports, codes.unwrap_or_default(), packets, alone)
    }

    fn common(&self, facts: &mut Facts, seen: &HostObservation, target: &Target) {
        scanned(facts, seen, self.plan, self.outcome);
        if let Some(n) = self.packets.get(&target.addr()) {
            facts.set("scan.packets", i64::try_from(*n).unwrap_or(i64::MAX));
        }
        inventory(facts, &target.warrant().asset, self.snapshot);
        if !self.beside.knows(seen, self.outcome) {
            self.beside.tell(facts, seen, self.outcome);
        }
    }
}

fn scanned(facts: &mut Facts, seen: &HostObservation, plan: &Plan, outcome: &ScanOutcome) {
    let state = match seen.state {
        HostState::Up(reason) => {
            facts.set("host.reason", reason.describe());
            "up"
        }
        HostState::Down => "down",
        HostState::Unknown => "unknown",
    };
    facts.set("host.state", state);
    let in_state = |protocol: Protocol, state: PortState| -> Vec<String> {
        let ports = seen.ports.iter().filter(|p| p.protocol == protocol && p.state == state);
        ports.map(|p| p.port.to_string()).collect()
    };
    for (protocol, asked) in [(Protocol::Tcp, &plan.probes.tcp), (Protocol::Udp, &plan.probes.udp)] {
        let path = |what: &str| format!("ports.{}.{what}", protocol.as_str());
        if !asked.is_empty() {
            facts.set(&path("asked"), asked.to_string());
        }
        facts.set(&path("open"), in_state(protocol, PortState::Open));
        let silent = in_state(protocol, PortState::OpenOrFiltered);
        if !silent.is_empty() {
            facts.set(&path("silent"), silent);
        }
    }
    facts.set("ports.complete", outcome.is_over(seen, plan.probes.count()));
    for (state, n) in &seen.counts {
        facts.set(&format!("ports.counts.{}", state.as_str()), i64::from(*n));
    }
}

fn inventory(facts: &mut Facts, asset: &str, snapshot: &Snapshot) {
    let Some(row) = snapshot.row_of(asset) else { return };
    let Some(known) = snapshot.asset(row) else { return };
    let told = block(known.provider()).iter().filter_map(|token| {
        let column = snapshot.column(*token);
        let value = column.cells(row).find_map(|c| column.value(c.code))?;
        Some(format!("{}: {}", catalogue::token(*token).name, text(&value)))
    });
    facts.set("cloud", told.collect::<Vec<String>>());
}

/// Names that the plan resolved to the host's address.
fn names(host: &mut HostEvidence, resolutions: &[&Resolution]) {
    let of_it = resolutions.iter().filter(|r| r.kept.contains(&host.addr));
    let resolved: Vec<String> = of_it.map(|r| format!("resolver {}:{}", r.resolver, r.name)).collect();
    if !resolved.is_empty() && host.facts.get("names").is_none() {
        host.facts.set("names", resolved);
    }
}
