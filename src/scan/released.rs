//! What a scan may say about targets whose lease ended: nothing that it did not see while the address was ours.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::observation::{HostObservation, HostState, NotScanned, PortState};
use super::outcome::ScanOutcome;
use crate::plan::lease::Ended;

/// Puts the ended leases into the outcome. Probes that were dropped left no answer, so silent ports are not told as
/// filtered; what was seen stays, marked with the last moment at which the address was certainly ours.
pub fn release(outcome: &mut ScanOutcome, ended: &[Ended], probes: u32) {
    let mut ended: BTreeMap<u32, &Ended> = ended.iter().map(|lease| (lease.target, lease)).collect();
    for host in &mut outcome.hosts {
        let Some(lease) = ended.get(&host.target) else { continue };
        if was_done(host, lease, probes) {
            ended.remove(&host.target);
        } else if let Some(at) = lease.confirmed {
            let sure = |state: &PortState| matches!(state, PortState::Open | PortState::Closed);
            host.counts.retain(|state, _| sure(state));
            host.reasons.retain(|(state, ..)| sure(state));
            outcome.unattributed.insert(host.target, at);
        }
    }
    outcome.not_scanned.retain(|n| !ended.contains_key(&n.target));
    let why = |(target, lease): (&u32, &&Ended)| NotScanned {
        target: *target,
        reason: lease.reason.as_str().into(),
        gap: true,
    };
    outcome.not_scanned.extend(ended.iter().map(why));
    outcome.not_scanned.sort_by_key(|n| n.target);
}

/// Whether a target had its answer, or was found dead, while its address was certainly ours.
fn was_done(host: &HostObservation, lease: &Ended, probes: u32) -> bool {
    let last: Option<Timestamp> = host.span.map(|s| s.1);
    let whole = host.state == HostState::Down || host.counts.values().sum::<u32>() >= probes;
    whole && last.zip(lease.confirmed).is_some_and(|(last, confirmed)| last <= confirmed)
}
