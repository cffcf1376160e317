//! The plan's hash: SHA-256 over a canonical text of what a person approves. Times are no part of it, so the same job
//! over the same inventory gives the same hash; a target, its reason, a probe, an exclusion or the cost moves it.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::plan::Plan;
use crate::lang::job::Checks;

/// `sha256:…`.
pub(super) fn hash(plan: &Plan) -> Arc<str> {
    let digest = Sha256::digest(canonical(plan).as_bytes());
    format!("sha256:{}", digest.iter().map(|b| format!("{b:02x}")).collect::<String>()).into()
}

/// One line a fact. Texts from outside are quoted and escaped, so that no name can pass for a line of its own.
fn canonical(plan: &Plan) -> String {
    let mut text = format!(
        "palisade plan 1\nscan {:?}\nprovider {}\nconnector {:?}\nmodule {}\n",
        plan.scan,
        plan.provider.as_str(),
        plan.connector,
        plan.module.as_str()
    );
    let line = |t: &super::target::Target| {
        let w = t.warrant();
        format!("target {} {:?} {:?} {:?} {:?}", t.addr(), t.name(), w.asset, w.interface, w.clause)
    };
    let mut lines: Vec<String> = plan.targets.iter().map(line).collect();
    lines.sort();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    let profile = &plan.profile;
    let _ = writeln!(text, "tcp {}\nudp {}", plan.probes.tcp, plan.probes.udp);
    let _ = writeln!(text, "ping {:?} retries {} dead {:?}", profile.ping, profile.retries, profile.dead_hosts);
    match &profile.checks {
        Checks::All => text.push_str("checks all\n"),
        Checks::Some(names) => {
            let names: Vec<&str> = names.iter().map(|n| n.value.as_str()).collect();
            let _ = writeln!(text, "checks {names:?}");
        }
    }
    let _ = writeln!(text, "consent {:?} authentication {}", profile.consent, profile.authentication);
    for range in plan.exclusions.ranges() {
        let _ = writeln!(text, "exclude {range}");
    }
    let _ = writeln!(text, "packets {} per host {}", plan.cost.packets_max, plan.cost.per_host_max);
    text
}
