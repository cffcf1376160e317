//! The results view as text, after the guide's. Rules K2 to K13.

use std::fmt::Write as _;

use super::judgement_text;
use super::model::{Results, TagsRecord, counts_in_words};

pub(super) fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

pub(super) fn tags(tags: Option<&TagsRecord>) -> String {
    tags.map_or("-".into(), |t| format!("({}) {}", t.quantifier, t.tags.join(", ")))
}

/// `04/30/2018 at 22:35:12 (GMT+0000)`, the guide's form.
pub(super) fn guide_time(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%m/%d/%Y at %H:%M:%S (GMT+0000)").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// `00:06:40`.
pub(super) fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// The whole view.
pub fn view(results: &Results) -> String {
    let mut out = String::new();
    summary(results, &mut out);
    details(results, &mut out);
    if let Some(judgement) = &results.judgement {
        judgement_text::judgement(judgement, &mut out);
    }
    appendix(results, &mut out);
    out
}

fn summary(results: &Results, out: &mut String) {
    let s = &results.summary;
    let scanners: Vec<String> = s
        .external_scanners
        .iter()
        .map(|x| {
            let checks = x.checks.as_deref().unwrap_or("-");
            format!("{} (Scanner {}, Checks {checks})", dash(&x.addresses.join(", ")), x.engine)
        })
        .collect();
    let _ = writeln!(out, "Report Summary");
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(out, "  {:<20} {}", format!("{label}:"), dash(value));
    };
    line("Launch Date", &guide_time(&s.launch_date));
    line("Active Hosts", &s.active_hosts.to_string());
    line("Total Hosts", &s.total_hosts.to_string());
    line("Type", &s.kind);
    line("Scan Type", &s.scan_type);
    line("Status", &s.status);
    line("Reference", &s.reference);
    line("External Scanners", &scanners.join("; "));
    line("Duration", &clock(s.duration_seconds));
    line("Title", &s.title);
    line("Asset Groups", &s.asset_groups.join(", "));
    line("DNS", &s.dns.join(", "));
    line("Excluded IPs", &s.excluded_ips.join(", "));
    line("Tags Included", &tags(s.tags_included.as_ref()));
    line("Tags Excluded", &tags(s.tags_excluded.as_ref()));
    line("Option Profile", &s.option_profile);
    line("Mode", &results.mode);
    if let Some(organisation) = &s.organisation {
        line("Organisation", organisation);
    }
}

fn details(results: &Results, out: &mut String) {
    let _ = writeln!(out, "\nDetailed Results");
    let up: Vec<_> = results.hosts.iter().filter(|h| h.state != "down").collect();
    if up.is_empty() {
        let _ = writeln!(out, "  -");
    }
    let shows_states = results.judgement.as_ref().is_some_and(|j| j.states.keys().any(|s| s != "new"));
    for host in up {
        let os = host.os.as_deref().map(|o| format!("  {o}")).unwrap_or_default();
        let _ = writeln!(out, "\n  {} ({}, -){os}  {}", host.address, host.name.as_deref().unwrap_or("-"), host.asset);
        for (key, value) in &host.annotations {
            let _ = writeln!(out, "    {key}: {value}");
        }
        if let Some(at) = &host.unattributed_since {
            let _ = writeln!(
                out,
                "    the address was lost; last confirmed {at}, what was seen later may be somebody else's"
            );
        }
        let counts = counts_in_words(&host.counts, &host.reasons);
        let _ = writeln!(out, "    {}", dash(&counts));
        for port in &host.ports {
            let rtt = port.rtt_ms.map(|r| format!("  {r:.1} ms")).unwrap_or_default();
            let named = [port.service.as_deref(), port.product.as_deref(), port.version.as_deref()];
            let named = named.into_iter().flatten().fold(String::new(), |all, word| all + "  " + word);
            let _ =
                writeln!(out, "    {:>5}/{} {:<6} {}{rtt}{named}", port.port, port.protocol, port.state, port.reason);
        }
        judgement_text::findings(&host.findings, "    ", shows_states, out);
    }
}

fn appendix(results: &Results, out: &mut String) {
    let _ = writeln!(out, "\nAppendix");
    let scanned: Vec<String> = results
        .hosts
        .iter()
        .filter(|h| h.state == "up")
        .map(|h| h.name.clone().unwrap_or_else(|| h.address.clone()))
        .collect();
    let _ = writeln!(out, "  Successfully Scanned Hosts ({}): {}", scanned.len(), dash(&scanned.join(", ")));
    let mut by_reason: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for left in &results.not_scanned {
        let shown = left.name.as_deref().unwrap_or(&left.target);
        by_reason.entry(&left.reason).or_default().push(shown);
    }
    for (reason, hosts) in by_reason {
        let _ = writeln!(out, "  Hosts Not Scanned, {reason} ({}): {}", hosts.len(), hosts.join(", "));
    }
    for gap in &results.gaps {
        let _ = writeln!(out, "  Not Read: {} {}", gap.partition, gap.cause);
    }
    let c = &results.coverage;
    let _ = writeln!(out, "  Coverage: {} of {} probes, {} of {} targets", c.done, c.planned, c.scanned, c.targets);
    let kinds: Vec<String> = results.ledger.by_probe.iter().map(|(k, n)| format!("{n} {k}")).collect();
    let _ = writeln!(
        out,
        "  Ledger: {} sent under warrants ({}), {} refused by the gate, {} replies",
        results.ledger.total,
        dash(&kinds.join(", ")),
        results.ledger.refused,
        results.ledger.replies
    );
    for note in results.notes.iter().chain(&results.errors) {
        let _ = writeln!(out, "  Note: {note}");
    }
}
