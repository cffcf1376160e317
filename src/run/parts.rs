//! A run in several parts, for it was interrupted and resumed: what this part finds there, and what it leaves.

use std::collections::HashSet;
use std::net::IpAddr;

use super::error::{Result, RunError};
use super::judge;
use super::talk::Talked;
use crate::plan::plan::Plan;
use crate::report::model::Results;
use crate::scan::ScanOutcome;
use crate::scan::ledger::Ledger;
use crate::scan::observation::Mode;
use crate::service::evidence::HostEvidence;
use crate::store::Store;

/// What the store knows from earlier parts of a run and from runs before it. It is read before the first packet: what a
/// scan has seen is never lost because something older cannot be read.
pub(super) struct Past {
    /// Targets that earlier parts have finished, by index.
    pub(super) finished: Vec<u32>,
    /// Their evidence.
    pub(super) evidence: Vec<HostEvidence>,
    /// The results of earlier parts.
    document: Option<Results>,
    /// Packets of earlier parts, each with its lineage.
    ledgers: Vec<(i64, Ledger)>,
    /// Evidence of the last run of the scan.
    pub(super) last: Option<Vec<HostEvidence>>,
    /// Why there is one and it cannot be read: a scan can do without.
    pub(super) without: Option<String>,
    /// Findings of the scan, and when assets were tested.
    pub(super) before: judge::Before,
}

impl Past {
    /// Reads it.
    pub(super) fn read(store: &mut Store, plan: &Plan, reference: &str, resumed: bool) -> Result<Self> {
        let (last, without) = match judge::last_evidence(store, &plan.scan, reference) {
            Ok(last) => (last, None),
            Err(error) => (None, Some(format!("nothing is compared with the last run: {error}"))),
        };
        let mut past = Self {
            finished: Vec::new(),
            evidence: Vec::new(),
            document: None,
            ledgers: Vec::new(),
            last,
            without,
            before: judge::Before::read(store, &plan.scan, reference)?,
        };
        if resumed {
            let done: HashSet<(String, String)> = store.finished_targets(reference)?.into_iter().collect();
            let is_done = |asset: &str, addr: IpAddr| done.contains(&(asset.to_owned(), addr.to_string()));
            let targets = (0u32..).zip(&plan.targets);
            past.finished = targets.filter(|(_, t)| is_done(&t.warrant().asset, t.addr())).map(|(i, _)| i).collect();
            past.evidence = store.evidence(reference)?;
            past.evidence.retain(|h| is_done(&h.asset, h.addr));
            past.ledgers = store.ledgers(reference)?;
            let unreadable = |e| RunError::Usage(format!("the stored results of {reference} cannot be read: {e}"));
            let document = store.document(reference)?;
            past.document = document.map(|text| serde_json::from_str(&text)).transpose().map_err(unreadable)?;
        }
        Ok(past)
    }

    /// Adds the packets of earlier parts to what a scan knows of packets; its own lineage.
    pub(super) fn count(&mut self, outcome: &mut ScanOutcome) -> i64 {
        // A checkpoint goes on with the beginning of the part that made it first, and with its packets.
        let own = if outcome.mode == Mode::Raw { outcome.started.as_millisecond() } else { 0 };
        for (lineage, ledger) in std::mem::take(&mut self.ledgers) {
            if lineage == 0 || lineage != own {
                outcome.earlier.merge(ledger);
            }
        }
        own
    }

    /// Adds the hosts that earlier parts have finished to the results of a part that does not cover them itself.
    pub(super) fn complete(&mut self, results: &mut Results, outcome: &ScanOutcome, plan: &Plan) {
        let Some(earlier) = self.document.take().filter(|_| !outcome.whole) else { return };
        let kept = self.finished.iter().filter_map(|i| plan.targets.get(*i as usize));
        let kept: HashSet<String> = kept.map(|t| t.addr().to_string()).collect();
        results.hosts.extend(earlier.hosts.into_iter().filter(|h| kept.contains(&h.address)));
        results.hosts.sort_by(|a, b| a.address.cmp(&b.address));
        results.summary.active_hosts = results.hosts.iter().filter(|h| h.state == "up").count() as u64;
        results.summary.launch_date = earlier.summary.launch_date;
        results.coverage.scanned = results.hosts.len() as u64;
        let pairs = kept.len() as u64 * plan.probes.count();
        results.coverage.planned += pairs;
        results.coverage.done += pairs;
        let (all, more) = (&mut results.ledger, earlier.ledger);
        all.refused += more.refused;
        all.replies += more.replies;
        all.duplicates += more.duplicates;
        all.malformed += more.malformed;
        all.strangers += more.strangers;
    }
}

/// Targets of which nothing more is to be learned when an interrupted run goes on, as (asset, address). `looks` says that
/// hosts are looked at beyond their ports, which comes last.
pub(super) fn finished(plan: &Plan, outcome: &ScanOutcome, talked: &Talked, looks: bool) -> Vec<(String, String)> {
    // Of a finished run the document already holds every host.
    if !outcome.interrupted || (outcome.cut_short && looks) {
        return Vec::new();
    }
    let left_out: HashSet<u32> = outcome.not_scanned.iter().map(|n| n.target).collect();
    let hosts = outcome.hosts.iter().filter(|h| outcome.is_over(h, plan.probes.count()));
    let hosts = hosts.filter(|h| !left_out.contains(&h.target) && !talked.unfinished.contains(&h.target));
    hosts
        .filter_map(|h| plan.targets.get(h.target as usize))
        .map(|t| (t.warrant().asset.to_string(), t.addr().to_string()))
        .collect()
}
