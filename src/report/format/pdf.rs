//! PDF on A4 with the standard fonts every reader has (ISO 32000-1, 9.6.2.2), so that nothing has to be embedded.

mod layout;

use self::layout::{Font, Layout};
use super::{Options, RenderError};
use crate::report::document::{Report, ReportFinding, ReportHost};
use crate::report::results_text::{clock, dash, guide_time, tags};
use crate::report::totals::Totals;

pub(super) fn render(report: &Report, _: &Options) -> Result<Vec<u8>, RenderError> {
    let mut page = Layout::new(&report.title);
    page.line(Font::Bold, 20.0, 0.0, &report.title);
    page.line(Font::Plain, 10.0, 0.0, &format!("{}   {}", report.template, guide_time(&report.generated)));
    if let Some(organisation) = &report.organisation {
        page.paragraph(10.0, 0.0, organisation);
    }
    summary(&mut page, report);
    for host in report.hosts.iter().filter(|h| h.state != "down") {
        one_host(&mut page, report, host);
    }
    policies(&mut page, report);
    appendix(&mut page, report);
    Ok(page.finish())
}

fn pairs<'a>(page: &mut Layout, list: impl IntoIterator<Item = (&'a str, String)>) {
    for (label, value) in list {
        page.pair(label, dash(&value));
    }
}

fn summary(page: &mut Layout, report: &Report) {
    let s = &report.summary;
    page.heading("Report Summary");
    let scanners: Vec<String> =
        s.external_scanners.iter().map(|x| format!("{} ({})", dash(&x.addresses.join(", ")), x.engine)).collect();
    pairs(
        page,
        [
            ("Launch Date", guide_time(&s.launch_date)),
            ("Active Hosts", s.active_hosts.to_string()),
            ("Total Hosts", s.total_hosts.to_string()),
            ("Type", s.kind.clone()),
            ("Scan Type", s.scan_type.clone()),
            ("Status", s.status.clone()),
            ("Reference", s.reference.clone()),
            ("External Scanners", scanners.join("; ")),
            ("Duration", clock(s.duration_seconds)),
            ("DNS", s.dns.join(", ")),
            ("Excluded IPs", s.excluded_ips.join(", ")),
            ("Tags Included", tags(s.tags_included.as_ref())),
            ("Tags Excluded", tags(s.tags_excluded.as_ref())),
            ("Option Profile", s.option_profile.clone()),
            ("Security Risk", format!("{:.1}", report.risk.shown)),
        ],
    );
    page.space(6.0);
    totals(page, &report.totals);
}

const TOTAL_COLUMNS: [f32; 5] = [0.0, 90.0, 170.0, 250.0, 370.0];

fn totals(page: &mut Layout, totals: &Totals) {
    page.columns(
        Font::Bold,
        &TOTAL_COLUMNS,
        &["by Severity", "Confirmed", "Potential", "Information Gathered", "Total"],
    );
    for row in totals.rows.iter().chain([&totals.all]) {
        let name = row.severity.map_or("Total".to_owned(), |s| s.to_string());
        let [a, b, c, d] = row.cells();
        page.columns(Font::Plain, &TOTAL_COLUMNS, &[&name, &a, &b, &c, &d]);
    }
}

fn one_host(page: &mut Layout, report: &Report, host: &ReportHost) {
    let has = |section: &str| report.include.iter().any(|s| s == section);
    page.heading(&format!("{} ({})", host.address, host.name.as_deref().unwrap_or("-")));
    let about = [host.asset.as_str(), host.label.as_deref().unwrap_or(""), host.os.as_deref().unwrap_or("")];
    page.paragraph(9.5, 0.0, &about.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("   "));
    if has("ec2_information") || has("azure_information") {
        pairs(page, host.cloud.iter().map(|(k, v)| (k.as_str(), v.clone())));
    }
    if has("metadata") {
        pairs(page, host.metadata.iter().map(|(k, v)| (k.as_str(), v.clone())));
    }
    if has("host_details") {
        let ports = host
            .ports
            .iter()
            .map(|p| format!("{}/{} {} {}", p.port, p.protocol, p.state, p.service.as_deref().unwrap_or("-")));
        pairs(page, [("Associated Tags", host.tags.join(", ")), ("Ports", ports.collect::<Vec<_>>().join(", "))]);
    }
    if has("summary") {
        pairs(
            page,
            [
                ("Vulnerabilities", host.totals.vulnerabilities().to_string()),
                ("Security Risk", format!("{:.1}", host.risk.shown)),
            ],
        );
        totals(page, &host.totals);
    }
    for (kind, heading) in [
        ("confirmed", "Vulnerabilities"),
        ("potential", "Potential Vulnerabilities"),
        ("information", "Information Gathered"),
    ] {
        let found: Vec<&ReportFinding> = host.findings.iter().filter(|f| f.kind == kind).collect();
        if !found.is_empty() {
            page.space(4.0);
            page.line(Font::Bold, 11.0, 0.0, &format!("{heading} ({})", found.len()));
            found.into_iter().for_each(|f| finding(page, report, f));
        }
    }
}

fn finding(page: &mut Layout, report: &Report, finding: &ReportFinding) {
    let has = |section: &str| report.include.iter().any(|s| s == section);
    let place = finding.place().map(|p| format!("   port {p}")).unwrap_or_default();
    page.severity(finding.severity, &format!("{} {}{place}", finding.check, finding.title));
    if !has("vulnerability_details") {
        return;
    }
    if has("results") && !finding.evidence.is_empty() {
        page.code(&finding.evidence);
    }
    let Some(text) = report.glossary.get(&finding.check).filter(|_| finding.is_vulnerability()) else { return };
    for (section, label, value) in [
        ("threat", "Threat", &text.threat),
        ("impact", "Impact", &text.impact),
        ("solution", "Solution", &text.solution),
    ] {
        if has(section) && !value.is_empty() {
            page.paragraph(9.0, 26.0, &format!("{label}: {value}"));
        }
    }
}

fn policies(page: &mut Layout, report: &Report) {
    if report.policies.is_empty() {
        return;
    }
    page.heading("Policies");
    let passed = report.policies.iter().filter(|o| o.result == "pass").count();
    page.paragraph(9.5, 0.0, &format!("{passed} rules hold."));
    for outcome in report.policies.iter().filter(|o| o.result != "pass") {
        let place = match (&outcome.file, outcome.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        let asset = outcome.asset.as_deref().unwrap_or("-");
        let port = outcome.port.as_deref().unwrap_or("");
        let text = format!(
            "{}: {} {} {port} {asset}: {}{place}",
            outcome.result, outcome.policy, outcome.rule, outcome.message
        );
        page.paragraph(9.5, 0.0, &text);
    }
}

fn appendix(page: &mut Layout, report: &Report) {
    page.heading("Appendix");
    for left in &report.not_scanned {
        page.paragraph(
            9.5,
            0.0,
            &format!("Not scanned: {} ({})", left.name.as_deref().unwrap_or(&left.target), left.reason),
        );
    }
    for gap in &report.gaps {
        page.paragraph(9.5, 0.0, &format!("Not read: {} {}", gap.partition, gap.cause));
    }
    let c = &report.coverage;
    pairs(
        page,
        [
            ("Coverage", format!("{} of {} probes, {} of {} targets", c.done, c.planned, c.scanned, c.targets)),
            ("Ledger", format!("{} sent under warrants, {} refused", report.ledger.total, report.ledger.refused)),
            ("Plan", report.plan_hash.clone()),
            ("Inventory", report.snapshot.clone()),
        ],
    );
    for note in report.notes.iter().chain(&report.errors) {
        page.paragraph(9.5, 0.0, note);
    }
}
