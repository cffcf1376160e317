//! The plan's hash: SHA-256 over a canonical text of what a person approves. Times are no part of it, so the same job
//! over the same inventory gives the same hash; a target, its reason, a probe, an exclusion or the cost moves it.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::plan::Plan;
use crate::lang::job::Checks;

/// `sha256:…`.
pub(super) fn hash(plan: &Plan) -> Arc<str> {
    let mut sha = Sha256::new();
    sha.update(head(plan));
    targets(plan, |line| sha.update(line));
    sha.update(tail(plan));
    format!("sha256:{}", sha.finalize().iter().map(|b| format!("{b:02x}")).collect::<String>()).into()
}

/// One line a fact. Texts from outside are quoted and escaped, so that no name can pass for a line of its own.
fn head(plan: &Plan) -> String {
    format!(
        "palisade plan 1\nscan {:?}\nprovider {}\nconnector {:?}\nmodule {}\n",
        plan.scan,
        plan.provider.as_str(),
        plan.connector,
        plan.module.as_str()
    )
}

/// One line a target, in the order of the text. All lines are written into one text: a string each would be half of the
/// time.
fn targets(plan: &Plan, mut line: impl FnMut(&str)) {
    let mut text = String::new();
    let mut lines: Vec<Range<usize>> = Vec::with_capacity(plan.targets.len());
    for t in &plan.targets {
        let (w, start) = (t.warrant(), text.len());
        let _ = writeln!(text, "target {} {:?} {:?} {:?} {:?}", t.addr(), t.name(), w.asset, w.interface, w.clause);
        lines.push(start..text.len());
    }
    let of = |range: &Range<usize>| text.get(range.clone()).unwrap_or("");
    // The line end sorts before every other character of a line, as the end of a text does.
    lines.sort_unstable_by(|a, b| of(a).cmp(of(b)));
    lines.iter().for_each(|range| line(of(range)));
}

fn tail(plan: &Plan) -> String {
    let mut text = String::new();
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
    for (target, port) in plan.canaries.iter().flat_map(|c| &c.pairs) {
        let addr = plan.targets.get(*target as usize).map(|t| t.addr().to_string());
        let _ = writeln!(text, "canary {} tcp {port}", addr.unwrap_or_default());
    }
    for range in plan.exclusions.ranges() {
        let _ = writeln!(text, "exclude {range}");
    }
    let cost = plan.cost;
    let _ = writeln!(text, "packets {} per host {}", cost.packets_max, cost.per_host_max);
    let _ = writeln!(text, "connections {} per port {}", cost.connections_max, cost.connections_per_port_max);
    text
}
