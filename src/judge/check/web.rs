//! Web pages: what is sent in clear text and what is echoed. The checks of paths and headers are in rhai.

use super::fingerprint::is_edge;
use super::{Answer, Hit, Kind, Row, Scope, Subject, Verdict};
use crate::lang::job::Consent;
use crate::service::evidence::{Facts, HostEvidence, ServiceEvidence};

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "WEB-03",
        title: "Passwords are sent in clear text",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 7617", "PCI DSS 4.0.1 2.2.7"],
        threat: "A page without TLS has a password field or asks for Basic authentication.",
        impact: "Anybody on the way reads the password.",
        solution: "Serve the page over HTTPS only and redirect to it.",
        control: "Pages that were answered inside TLS are not reported; nor are pages without a password field.",
        judge: clear_login,
        ..Row::BASE
    },
    Row {
        id: "WEB-04",
        title: "A page is served without TLS and without a redirect to it",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["CISA BOD 18-01"],
        threat: "The page crosses the network in clear text.",
        impact: "Anybody on the way reads what is asked for and changes what is answered.",
        solution: "Answer every plain request with a permanent redirect to HTTPS.",
        control: "A redirect to HTTPS, and an answer that is an error, are not reported.",
        judge: no_redirect,
        ..Row::BASE
    },
    Row {
        id: "WEB-16",
        title: "TRACE is answered",
        severity: 1,
        kind: Kind::Confirmed,
        consent: Consent::Odd,
        references: &["RFC 9110 section 9.3.8"],
        threat: "The server sends back what it received, headers that scripts must not read included.",
        impact: "Together with another flaw it discloses cookies and headers of proxies.",
        solution: "Switch TRACE off.",
        control: "The answer must contain the random header that was sent; another answer of status 200 is not \
            reported.",
        judge: trace,
        ..Row::BASE
    },
    Row {
        id: "WEB-17",
        title: "The origin behind an edge answers strangers directly",
        severity: 3,
        kind: Kind::Confirmed,
        scope: Scope::Estate,
        threat: "Whoever knows the address of the origin goes around the edge, and around its filters and limits.",
        impact: "Attacks that the edge would stop reach the server.",
        solution: "Let the origin accept connections from the edge only, by address, by private link or by certificate.",
        control: "The same key or the same page must be at both, and only one of them carry the edge's own headers; \
            pages of errors and short pages are not compared.",
        judge: origin,
        ..Row::BASE
    },
];

fn clear_login(subject: &Subject<'_>) -> Answer {
    subject.speaks_clear(&["http"])?;
    let basic = subject.bool("http.basic_clear");
    if matches!(basic, Ok(true)) {
        return Ok(Verdict::found("Basic authentication is asked for"));
    }
    let form = subject.bool("http.login_form")?;
    basic?;
    Ok(Verdict::when(form, || "the page has a password field".into()))
}

fn no_redirect(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks_clear(&["http"])?;
    if service.service.as_ref().is_none_or(|s| &*s.name != "http") {
        return Err(Verdict::NotApplicable);
    }
    let status = subject.int("http.status")?;
    let redirects = service.facts.list("http.redirects").unwrap_or_default();
    let secure = redirects.iter().any(|r| r.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://")));
    Ok(Verdict::when((200..400).contains(&status) && !secure, || match redirects.last() {
        Some(place) => format!("answer {status}, which leads to {place}"),
        None => format!("answer {status}"),
    }))
}

fn trace(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["http"])?;
    Ok(Verdict::when(subject.bool("http.trace")?, || "the answer contains the header that was sent".into()))
}

/// Characters of a page below which another may be the same by chance.
const LEAST_PAGE: usize = 64;

/// The same key, or the same page of some length. What both have in common, in words.
fn same(edge: &Facts, other: &Facts) -> Option<&'static str> {
    let both = |path: &str| edge.text(path).zip(other.text(path)).is_some_and(|(a, b)| a == b && !a.is_empty());
    let page = edge.text("http.body_start").is_some_and(|b| b.chars().count() >= LEAST_PAGE);
    let answered = [edge, other].iter().all(|f| f.int("http.status") == Some(200));
    if both("tls.certificate.key_fingerprint") {
        Some("certificate key")
    } else if page && answered && both("http.body_start") {
        Some("page")
    } else {
        None
    }
}

fn origin(subject: &Subject<'_>) -> Answer {
    let all: Vec<(&HostEvidence, &ServiceEvidence)> = subject
        .estate
        .iter()
        .filter(|h| !h.unattributed)
        .flat_map(|h| h.services.iter().map(move |s| (h, s)))
        .filter(|(_, s)| s.facts.get("http.status").is_some())
        .collect();
    let (edges, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, s)| is_edge(&s.facts));
    let mut hits = Vec::new();
    for (host, service) in others {
        let found = edges.iter().filter(|(edge, _)| edge.addr != host.addr);
        let found = found.filter_map(|(edge, s)| same(&s.facts, &service.facts).map(|what| (edge, what))).next();
        if let Some((edge, what)) = found {
            let at = edge.name.as_deref().map_or_else(|| edge.addr.to_string(), str::to_owned);
            let evidence = format!("{}, port {}: the same {what} as behind the edge at {at}", host.addr, service.port);
            let key = service.port.to_string();
            hits.push(Hit { evidence, key, asset: Some(host.asset.to_string()), severity: None });
        }
    }
    Ok(Verdict::hits(hits))
}
