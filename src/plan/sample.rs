//! Plans for tests of the rooms below: targets by address, without an inventory.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::cost;
use super::plan::{Launch, Plan, ProbeSet};
use super::target::{Target, TargetKind, Warrant};
use crate::base::addr_set::AddrSet;
use crate::inventory::asset::{Module, Provider};
use crate::lang::job::Profile;

/// A plan over addresses whose warrants run out at `expires`.
pub(crate) fn plan(
    addrs: &[IpAddr],
    probes: ProbeSet,
    profile: Profile,
    exclusions: AddrSet,
    expires: Timestamp,
) -> Plan {
    let text: Arc<str> = "sample".into();
    let target = |(id, addr): (usize, &IpAddr)| {
        let warrant = Warrant {
            id: id as u32,
            snapshot: text.clone(),
            asset: format!("i-{id}").into(),
            interface: text.clone(),
            clause: "job.pal:1:1".into(),
            given: Timestamp::UNIX_EPOCH,
            expires,
        };
        Target::new(*addr, None, TargetKind::Asset, Arc::new(warrant))
    };
    let cost = cost::bound(&profile, &probes, addrs.len() as u64, None, 600, false);
    Plan {
        scan: text.clone(),
        provider: Provider::Aws,
        connector: text.clone(),
        module: Module::Vm,
        probes,
        snapshot: text.clone(),
        snapshot_at: Timestamp::UNIX_EPOCH,
        made_at: Timestamp::UNIX_EPOCH,
        identified: 0,
        qualified: 0,
        submitted: 0,
        load_balancers: Vec::new(),
        targets: addrs.iter().enumerate().map(target).collect(),
        not_targetable: 0,
        merged: Vec::new(),
        additional: 0,
        removed: Vec::new(),
        gaps: Vec::new(),
        cannot_tell: Vec::new(),
        exclusions,
        resolutions: Vec::new(),
        cost,
        annotations: Vec::new(),
        excluded: Vec::new(),
        rates: BTreeMap::new(),
        canaries: None,
        launch: Launch::Ready,
        max_time_per_host: profile.max_time_per_host,
        hash: text,
        profile,
    }
}
