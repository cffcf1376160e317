//! One HTML page: no network, no script from elsewhere, charts as inline SVG; filters and sorting by a few lines of
//! script, and everything readable without it, on paper and on a phone. The template escapes all values by itself.

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;

use super::{Options, RenderError};
use crate::report::document::Report;
use crate::report::model::counts_in_words;
use crate::report::results_text::{clock, guide_time};

const TEMPLATE: &str = include_str!("report.html");

/// One bar of the severity chart; lengths in units of the drawing.
#[derive(Serialize)]
struct Bar {
    severity: u8,
    y: usize,
    confirmed: u64,
    potential: u64,
    confirmed_width: f64,
    potential_width: f64,
    count: u64,
}

/// Severities 5 to 1, the longest bar as long as the drawing is wide.
fn bars(report: &Report) -> Vec<Bar> {
    const WIDTH: f64 = 300.0;
    let vulnerabilities = |r: &crate::report::totals::Row| r.confirmed.unwrap_or(0) + r.potential.unwrap_or(0);
    let longest = report.totals.rows.iter().map(vulnerabilities).max().unwrap_or(0).max(1) as f64;
    let scale = |n: u64| (n as f64 / longest * WIDTH * 10.0).round() / 10.0;
    let rows = report.totals.rows.iter().enumerate();
    rows.map(|(i, row)| Bar {
        severity: row.severity.unwrap_or(0),
        y: i * 26,
        confirmed: row.confirmed.unwrap_or(0),
        potential: row.potential.unwrap_or(0),
        confirmed_width: scale(row.confirmed.unwrap_or(0)),
        potential_width: scale(row.potential.unwrap_or(0)),
        count: vulnerabilities(row),
    })
    .collect()
}

/// Open ports by number of hosts, most frequent first, at most ten.
fn open_ports(report: &Report) -> Vec<(String, usize)> {
    let mut counts: std::collections::BTreeMap<(u16, &str), usize> = std::collections::BTreeMap::new();
    for port in report.hosts.iter().flat_map(|h| &h.ports).filter(|p| p.state == "open") {
        *counts.entry((port.port, &port.protocol)).or_default() += 1;
    }
    let mut list: Vec<_> = counts.into_iter().collect();
    list.sort_by_key(|(port, n)| (std::cmp::Reverse(*n), *port));
    list.into_iter().take(10).map(|((port, protocol), n)| (format!("{port}/{protocol}"), n)).collect()
}

pub(super) fn render(report: &Report, _: &Options) -> Result<Vec<u8>, RenderError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("guide_time", |text: String| guide_time(&text));
    environment.add_filter("clock", clock);
    environment.add_filter("tenths", |value: f64| format!("{value:.1}"));
    // Banners hold all kinds of bytes; what has no shape becomes visible.
    environment.add_filter("visible", |text: String| {
        text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect::<String>()
    });
    let failed = |e: minijinja::Error| RenderError { format: "html", why: format!("{e:#}") };
    environment.add_template("report", TEMPLATE).map_err(failed)?;
    let template = environment.get_template("report").map_err(failed)?;
    let has = |section: &str| report.include.iter().any(|s| s == section);
    let page = template
        .render(context! {
            r => Value::from(Serde(report)),
            bars => Value::from(Serde(bars(report))),
            ports => report.hosts.iter().map(|h| counts_in_words(&h.counts, &h.reasons)).collect::<Vec<_>>(),
            open_ports => Value::from(Serde(open_ports(report))),
            vulnerabilities => report.totals.vulnerabilities(),
            failed => report.policies.iter().filter(|p| p.result == "fail").count(),
            passed => report.policies.iter().filter(|p| p.result == "pass").count(),
            show => context! {
                host_details => has("host_details"),
                information => has("ec2_information") || has("azure_information"),
                metadata => has("metadata"),
                summary => has("summary"),
                details => has("vulnerability_details"),
                threat => has("threat"),
                impact => has("impact"),
                solution => has("solution"),
                results => has("results"),
            },
        })
        .map_err(failed)?;
    Ok(page.into_bytes())
}
