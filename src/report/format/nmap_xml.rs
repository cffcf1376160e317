//! nmap's XML output, version 1.05, as its public document type describes it; for tools that read it.

use std::collections::BTreeMap;

use super::xml::Document;
use super::{Options, RenderError};
use crate::report::document::{Report, ReportHost};
use crate::report::model::PortRecord;

pub(super) fn render(report: &Report, _: &Options) -> Result<Vec<u8>, RenderError> {
    let start = seconds(&report.summary.launch_date);
    let end = start + report.summary.duration_seconds.round() as i64;
    let (start, end) = (start.to_string(), end.to_string());
    let mut document = Document::new("nmap-xml");
    document.doctype("nmaprun");
    let run = [
        ("scanner", "palisade"),
        ("args", "palisade run"),
        ("start", start.as_str()),
        ("startstr", &report.summary.launch_date),
        ("version", env!("CARGO_PKG_VERSION")),
        ("xmloutputversion", "1.05"),
    ];
    document.element("nmaprun", &run, |d| {
        let kind = if report.mode == "connect" { "connect" } else { "syn" };
        let ports: Vec<u32> = report.hosts.iter().map(|h| h.counts.values().sum()).collect();
        let services = ports.iter().max().copied().unwrap_or(0).to_string();
        d.empty("scaninfo", &[("type", kind), ("protocol", "tcp"), ("numservices", &services), ("services", "")]);
        for one in &report.hosts {
            host(d, one);
        }
        d.element("runstats", &[], |d| {
            let elapsed = format!("{:.2}", report.summary.duration_seconds);
            d.empty("finished", &[("time", end.as_str()), ("timestr", ""), ("elapsed", &elapsed), ("exit", "success")]);
            let up = report.hosts.iter().filter(|h| h.state == "up").count();
            let (up, down, total) =
                (up.to_string(), (report.hosts.len() - up).to_string(), report.hosts.len().to_string());
            d.empty("hosts", &[("up", &up), ("down", &down), ("total", &total)]);
        });
    });
    document.finish()
}

fn seconds(at: &str) -> i64 {
    at.parse::<jiff::Timestamp>().map_or(0, |t| t.as_second())
}

fn host(document: &mut Document, host: &ReportHost) {
    let time = |at: Option<&String>| at.map_or(0, |t| seconds(t)).to_string();
    let (start, end) = (time(host.first.as_ref()), time(host.last.as_ref()));
    document.element("host", &[("starttime", &start), ("endtime", &end)], |d| {
        let reason = host.reason.as_deref().map_or("no-response", nmap_word);
        d.empty("status", &[("state", host.state.as_str()), ("reason", reason), ("reason_ttl", "0")]);
        let family = if host.address.contains(':') { "ipv6" } else { "ipv4" };
        d.empty("address", &[("addr", &host.address), ("addrtype", family)]);
        d.element("hostnames", &[], |d| {
            if let Some(name) = &host.name {
                d.empty("hostname", &[("name", name), ("type", "user")]);
            }
        });
        d.element("ports", &[], |d| ports(d, host));
        if let Some(os) = &host.os {
            d.element("os", &[], |d| d.empty("osmatch", &[("name", os), ("accuracy", "50"), ("line", "0")]));
        }
        d.element("hostscript", &[], |d| {
            let about = format!("{} {}", host.tracking, host.asset);
            d.empty("script", &[("id", "palisade-asset"), ("output", &about)]);
            for finding in host.findings.iter().filter(|f| f.port.is_none()) {
                d.empty("script", &[("id", &finding.check), ("output", &told(&finding.title, &finding.evidence))]);
            }
        });
    });
}

/// nmap's word for a reason of ours.
fn nmap_word(reason: &str) -> &str {
    match reason {
        "connected" => "syn-ack",
        "refused" => "conn-refused",
        "no-answer" => "no-response",
        "udp-reply" => "udp-response",
        "icmp 3/0" | "icmp 1/0" => "net-unreach",
        "icmp 3/1" | "icmp 1/3" => "host-unreach",
        "icmp 3/2" => "proto-unreach",
        "icmp 3/3" | "icmp 1/4" => "port-unreach",
        "icmp 3/9" => "net-prohibited",
        "icmp 3/10" => "host-prohibited",
        "icmp 3/13" | "icmp 1/1" => "admin-prohibited",
        icmp if icmp.starts_with("icmp") => "dest-unreach",
        same => same,
    }
}

fn told(title: &str, evidence: &str) -> String {
    if evidence.is_empty() { title.to_owned() } else { format!("{title}: {evidence}") }
}

fn ports(document: &mut Document, host: &ReportHost) {
    for (state, n) in &host.counts {
        let listed = host.ports.iter().filter(|p| p.state == *state).count() as u32;
        if *n > listed {
            let left = (n - listed).to_string();
            let attributes = [("state", state.as_str()), ("count", &left)];
            let Some(reasons) = host.reasons.get(state) else {
                document.empty("extraports", &attributes);
                continue;
            };
            let mut by_word: BTreeMap<&str, u32> = BTreeMap::new();
            for (reason, n) in reasons {
                *by_word.entry(nmap_word(reason)).or_default() += n;
            }
            document.element("extraports", &attributes, |d| {
                for (reason, n) in by_word {
                    d.empty("extrareasons", &[("reason", reason), ("count", &n.to_string())]);
                }
            });
        }
    }
    for port in &host.ports {
        one_port(document, host, port);
    }
}

fn one_port(document: &mut Document, host: &ReportHost, port: &PortRecord) {
    let number = port.port.to_string();
    document.element("port", &[("protocol", &port.protocol), ("portid", &number)], |d| {
        let ttl = port.ttl.unwrap_or(0).to_string();
        d.empty("state", &[("state", &port.state), ("reason", nmap_word(&port.reason)), ("reason_ttl", &ttl)]);
        if let Some(service) = &port.service {
            let (name, tunnel) = match service.strip_prefix("tls/").or_else(|| service.strip_suffix("/tls")) {
                Some(inner) => (inner, Some("ssl")),
                None => (service.as_str(), None),
            };
            let mut attributes = vec![("name", name), ("method", "probed"), ("conf", "10")];
            attributes.extend(tunnel.map(|t| ("tunnel", t)));
            d.empty("service", &attributes);
        }
        let on_port = |f: &&crate::report::document::ReportFinding| {
            f.port == Some(port.port) && f.protocol.as_deref() == Some(port.protocol.as_str())
        };
        for finding in host.findings.iter().filter(on_port) {
            d.empty("script", &[("id", &finding.check), ("output", &told(&finding.title, &finding.evidence))]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::nmap_word;
    use crate::scan::observation::Reason;

    #[test]
    fn reasons_are_in_the_words_of_nmap() {
        let told = |reason: Reason| nmap_word(&reason.describe()).to_owned();
        let known = [
            (Reason::SynAck, "syn-ack"),
            (Reason::Reset, "reset"),
            (Reason::Connected, "syn-ack"),
            (Reason::Refused, "conn-refused"),
            (Reason::Unreachable(3, 13), "admin-prohibited"),
            (Reason::Unreachable(3, 11), "dest-unreach"),
            (Reason::Unreachable(1, 4), "port-unreach"),
            (Reason::SomeUnreachable, "dest-unreach"),
            (Reason::EchoReply, "echo-reply"),
            (Reason::TimestampReply, "timestamp-reply"),
            (Reason::UdpReply, "udp-response"),
            (Reason::NoAnswer, "no-response"),
        ];
        for (reason, word) in known {
            assert_eq!(told(reason), word);
        }
    }
}
