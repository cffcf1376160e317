//! The review page as text: the guide's sections in their order, a dash for what is empty. Rules I1 to I8.

use std::fmt::Write as _;
use std::time::Duration;

use super::plan_document::{launch_word, removed};
use crate::base::quantity::format_duration;
use crate::lang::job::{Job, Platform, Quantifier, Scanner, TagFilter};
use crate::plan::plan::{Plan, Stage};

/// A dash for nothing.
fn dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

fn tags(filter: Option<&TagFilter>) -> String {
    let Some(filter) = filter else { return "-".into() };
    let word = match filter.quantifier {
        Quantifier::Any => "Any",
        Quantifier::All => "All",
    };
    let names: Vec<&str> = filter.tags.iter().map(|t| t.value.as_str()).collect();
    format!("{word} of the following tag(s): {}", names.join(", "))
}

fn join<'a>(items: impl Iterator<Item = &'a str>) -> String {
    dash(items.collect::<Vec<_>>().join(", "))
}

/// The whole page.
pub fn review(plan: &Plan, job: &Job) -> String {
    let mut out = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(out, "  {label:<26} {value}");
    };
    line("Title:", &plan.scan);
    line("Provider:", plan.provider.as_str());
    line("Service:", plan.provider.service());
    line("Connector:", &plan.connector);
    line("Module:", plan.module.as_str());
    line("Option profile:", &plan.profile.name.value);
    line("Scan priority:", &if job.priority == 0 { "0 - No Priority".to_owned() } else { job.priority.to_string() });
    let (platform, regions) = match job.targets.platform.as_ref().map(|p| &p.value) {
        None => ("-", join(job.targets.regions.iter().map(|r| r.value.as_str()))),
        Some(Platform::Ec2Classic { regions }) => {
            ("EC2 Classic (Selected Region)", join(regions.iter().map(|r| r.value.as_str())))
        }
        Some(Platform::VpcAll { regions }) => {
            ("EC2-VPC (All VPCs in Region)", join(regions.iter().map(|r| r.value.as_str())))
        }
        Some(Platform::VpcSelected { vpcs }) => ("EC2-VPC (Selected VPC)", join(vpcs.iter().map(|r| r.value.as_str()))),
    };
    line("Platform:", platform);
    line("Region or VPC:", &regions);
    line("Tags included:", &tags(job.targets.include.as_ref()));
    line("Tags excluded:", &tags(job.targets.exclude.as_ref()));
    line("Load balancers DNS list:", &join(plan.load_balancers.iter().map(|n| n.as_ref())));
    line(
        "Scanner:",
        match &job.scanner {
            Scanner::External => "External",
            Scanner::Internal(_) => "Internal",
        },
    );
    line("Inventory:", &format!("{} of {}", plan.snapshot, plan.snapshot_at));
    out.push('\n');
    counts(plan, &mut out);
    losses(plan, &mut out);
    targets(plan, &mut out);
    canaries(plan, &mut out);
    let _ = writeln!(
        out,
        "At most {} packets, {} to any one address; {} at {}.",
        plan.cost.packets_max,
        plan.cost.per_host_max,
        format_duration(Duration::from_secs(plan.cost.seconds)),
        plan.profile.rate.map_or("the automatic rate".to_owned(), |r| r.to_string()),
    );
    if plan.cost.connections_per_port_max > 0 {
        let _ = writeln!(
            out,
            "Conversations: at most {} connections to any one open port.",
            plan.cost.connections_per_port_max
        );
    }
    for gap in &plan.gaps {
        let _ = writeln!(out, "Not read: {} {}", gap.partition, gap.cause);
    }
    let _ = writeln!(out, "Launch: {}", launch_word(plan.launch));
    let _ = writeln!(out, "Plan hash: {}", plan.hash);
    out
}

/// The three counts of the guide, what became of them, and the sums.
fn counts(plan: &Plan, out: &mut String) {
    let by = |stage: Stage| plan.removed.iter().filter(|r| r.stage == stage).count();
    let _ = writeln!(out, "Assets identified / synced from connector: {:>6}", plan.identified);
    let _ = writeln!(out, "Assets qualified for scan:                 {:>6}", plan.qualified);
    let _ = writeln!(out, "Assets submitted to scan:                  {:>6}", plan.submitted);
    let _ = writeln!(out, "Targets:                                   {:>6}", plan.targets.len());
    let _ = writeln!(
        out,
        "\n  {} identified = {} qualified + {} removed;  {} qualified = {} submitted + {} removed",
        plan.identified,
        plan.qualified,
        by(Stage::Qualify),
        plan.qualified,
        plan.submitted,
        by(Stage::Submit)
    );
    let _ = writeln!(
        out,
        "  {} submitted + {} load balancers + {} further addresses = {} targets + {} not targetable + {} merged\n",
        plan.submitted,
        plan.load_balancers.len(),
        plan.additional,
        plan.targets.len(),
        plan.not_targetable,
        plan.merged.len()
    );
}

fn losses(plan: &Plan, out: &mut String) {
    let groups = removed(plan);
    if groups.is_empty() {
        return;
    }
    let _ = writeln!(out, "Removed:");
    for group in groups {
        let clause = group.clause.map(|c| format!("  ({c})")).unwrap_or_default();
        let some: Vec<&str> = group.assets.iter().take(3).map(String::as_str).collect();
        let more = if group.assets.len() > 3 { ", …" } else { "" };
        let _ = writeln!(
            out,
            "  {:>5}  {:<8} {}{clause}: {}{more}",
            group.count,
            group.stage,
            group.reason,
            some.join(", ")
        );
    }
    for excluded in &plan.excluded {
        let _ = writeln!(out, "         excluded {} of {}  ({})", excluded.addr, excluded.asset, excluded.clause);
    }
    for merge in &plan.merged {
        let _ = writeln!(out, "         merged   {} of {} into {}", merge.addr, merge.asset, merge.into);
    }
    for r in plan.resolutions.iter().filter(|r| r.error.is_some() || !r.refused.is_empty()) {
        let what = match &r.error {
            Some(error) => error.to_string(),
            None => {
                let refused: Vec<String> = r.refused.iter().map(ToString::to_string).collect();
                format!("not ours: {}", refused.join(", "))
            }
        };
        let _ = writeln!(out, "         name     {}: {what}", r.name);
    }
    out.push('\n');
}

fn canaries(plan: &Plan, out: &mut String) {
    let Some(canaries) = &plan.canaries else { return };
    let shown = canaries
        .pairs
        .iter()
        .filter_map(|(t, port)| Some(format!("{} tcp {port}", plan.targets.get(*t as usize)?.addr())));
    let shown: Vec<String> = shown.take(SHOWN).collect();
    let text = match canaries.pairs.len() {
        0 => "no target matches, so only ports found open can tell a loss".to_owned(),
        n if n > SHOWN => format!("{} and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    };
    let unasked = match canaries.more {
        0 => String::new(),
        n => format!("; {n} more match and are not asked"),
    };
    let _ = writeln!(out, "Canary: {text}{unasked}  ({})", canaries.clause);
}

/// Targets shown before the rest is only counted.
const SHOWN: usize = 20;

fn targets(plan: &Plan, out: &mut String) {
    if plan.targets.is_empty() {
        return;
    }
    let _ = writeln!(out, "Targets:");
    for target in plan.targets.iter().take(SHOWN) {
        let name = target.name().map(|n| format!(" {n}")).unwrap_or_default();
        let _ = writeln!(out, "  {:<39}{name}  {}", target.addr().to_string(), target.warrant().asset);
    }
    if let Some(more) = plan.targets.len().checked_sub(SHOWN).filter(|n| *n > 0) {
        let _ = writeln!(out, "  … and {more} more; --format json lists all");
    }
    out.push('\n');
}
