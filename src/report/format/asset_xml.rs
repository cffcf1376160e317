//! The guide's scan report as an ASSET_DATA_REPORT document: hosts with their findings, a glossary, an appendix.

use super::xml::{Document, number};
use super::{Options, RenderError};
use crate::report::document::{Report, ReportFinding, ReportHost};

pub(super) fn render(report: &Report, _: &Options) -> Result<Vec<u8>, RenderError> {
    let mut document = Document::new("asset-xml");
    document.doctype("ASSET_DATA_REPORT SYSTEM \"asset_data_report.dtd\"");
    document.element("ASSET_DATA_REPORT", &[], |d| {
        header(d, report);
        d.element("RISK_SCORE_PER_HOST", &[], |d| {
            for host in &report.hosts {
                d.element("HOSTS", &[], |d| {
                    d.text("IP_ADDRESS", &host.address);
                    d.text("TOTAL_VULNERABILITIES", &host.totals.vulnerabilities().to_string());
                    d.text("SECURITY_RISK", &format!("{:.1}", host.risk.shown));
                });
            }
        });
        d.element("HOST_LIST", &[], |d| report.hosts.iter().for_each(|h| host(d, h)));
        glossary(d, report);
        appendix(d, report);
    });
    document.finish()
}

fn header(document: &mut Document, report: &Report) {
    document.element("HEADER", &[], |d| {
        d.text("COMPANY", report.organisation.as_deref().unwrap_or(""));
        d.text("GENERATION_DATETIME", &report.generated);
        d.text("TEMPLATE", &report.template);
        d.element("TARGET", &[], |d| {
            d.element("USER_IP_LIST", &[], |d| {
                for host in &report.hosts {
                    d.element("RANGE", &[], |d| {
                        d.text("START", &host.address);
                        d.text("END", &host.address);
                    });
                }
            });
        });
        d.element("RISK_SCORE_SUMMARY", &[], |d| {
            d.text("TOTAL_VULNERABILITIES", &report.totals.vulnerabilities().to_string());
            d.text("AVG_SECURITY_RISK", &format!("{:.1}", report.risk.shown));
        });
    });
}

fn host(document: &mut Document, host: &ReportHost) {
    document.element("HOST", &[], |d| {
        d.text("IP", &host.address);
        d.text("TRACKING_METHOD", &host.tracking);
        d.element("ASSET_TAGS", &[], |d| host.tags.iter().for_each(|t| d.text("ASSET_TAG", t)));
        d.text("DNS", host.name.as_deref().unwrap_or(""));
        d.text("CLOUD_RESOURCE_ID", &host.asset);
        if !host.cloud.is_empty() {
            d.element("CLOUD_INFORMATION", &[], |d| {
                for (label, value) in &host.cloud {
                    d.text_with("ATTRIBUTE", &[("name", label)], value);
                }
            });
        }
        d.text("OPERATING_SYSTEM", host.os.as_deref().unwrap_or(""));
        d.element("VULN_INFO_LIST", &[], |d| host.findings.iter().for_each(|f| finding(d, f)));
    });
}

fn finding(document: &mut Document, finding: &ReportFinding) {
    let kind = match finding.kind.as_str() {
        "confirmed" => "Vuln",
        "potential" => "Practice",
        _ => "Ig",
    };
    let status = match finding.state.as_deref() {
        Some("new") => "New",
        Some("reopened") => "Re-Opened",
        Some("fixed") => "Fixed",
        _ => "Active",
    };
    let tls = finding.service.as_deref().is_some_and(|s| s.contains("tls"));
    document.element("VULN_INFO", &[], |d| {
        let number = number(&finding.check).to_string();
        d.text_with("QID", &[("id", &format!("qid_{number}"))], &number);
        d.text("TYPE", kind);
        if let Some(port) = finding.port {
            d.text("PORT", &port.to_string());
        }
        d.text("SERVICE", finding.service.as_deref().unwrap_or(""));
        d.text("PROTOCOL", finding.protocol.as_deref().unwrap_or(""));
        d.text("SSL", if tls { "true" } else { "false" });
        d.text("RESULT", &finding.evidence);
        d.text("FIRST_FOUND", finding.first_seen.as_deref().unwrap_or(""));
        d.text("LAST_FOUND", finding.last_seen.as_deref().unwrap_or(""));
        d.text("VULN_STATUS", status);
    });
}

fn glossary(document: &mut Document, report: &Report) {
    document.element("GLOSSARY", &[], |d| {
        d.element("VULN_DETAILS_LIST", &[], |d| {
            for (check, text) in &report.glossary {
                let number = number(check).to_string();
                d.element("VULN_DETAILS", &[("id", &format!("qid_{number}"))], |d| {
                    d.text_with("QID", &[("id", &format!("qid_{number}"))], &number);
                    d.text("TITLE", &format!("{check} {}", text.title));
                    d.text("SEVERITY", &text.severity.to_string());
                    d.text("CATEGORY", &text.family);
                    d.text("THREAT", &text.threat);
                    d.text("IMPACT", &text.impact);
                    d.text("SOLUTION", &text.solution);
                    d.element("CVE_ID_LIST", &[], |d| {
                        for cve in text.cves() {
                            d.element("CVE_ID", &[], |d| d.text("ID", cve));
                        }
                    });
                });
            }
        });
    });
}

fn appendix(document: &mut Document, report: &Report) {
    document.element("APPENDICES", &[], |d| {
        d.element("NO_RESULTS", &[], |d| {
            for left in &report.not_scanned {
                d.text_with("TARGET", &[("reason", &left.reason)], left.name.as_deref().unwrap_or(&left.target));
            }
        });
        d.element("TEMPLATE_DETAILS", &[], |d| {
            d.text("INCLUDE", &report.include.join(", "));
            d.text("SCAN", &report.summary.reference);
        });
    });
}
