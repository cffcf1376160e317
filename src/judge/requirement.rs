//! Requirements of an `expect` block against what a port said.

use jiff::Timestamp;

use super::policy::Verdict;
use crate::lang::policy::Requirement;
use crate::service::evidence::ServiceEvidence;

/// A requirement's words, its result, and why.
pub(super) fn requirement(
    required: &Requirement,
    service: Option<&ServiceEvidence>,
    now: Timestamp,
) -> (String, Verdict, String) {
    let words = match required {
        Requirement::TlsAtLeast(major, minor) => format!("tls >= {major}.{minor}"),
        Requirement::CertificateDays(days) => format!("certificate_days {days}"),
        Requirement::RedirectsToHttps => "redirects_to https".to_owned(),
    };
    let Some(service) = service else {
        return (words, Verdict::Unknown, "nobody talked to the port".into());
    };
    let (verdict, message) = match required {
        Requirement::TlsAtLeast(major, minor) => tls(service, (*major, *minor)),
        Requirement::CertificateDays(days) => certificate(service, *days, now),
        Requirement::RedirectsToHttps => redirect(service),
    };
    (words, verdict, message)
}

fn unread(service: &ServiceEvidence, path: &str) -> (Verdict, String) {
    let topic = path.split('.').next().unwrap_or(path);
    let because = service.untested.iter().find(|(what, _)| what == path || what.starts_with(topic));
    let because = because.map(|(what, why)| format!(" ({what}: {why})")).unwrap_or_default();
    (Verdict::Unknown, format!("`{path}` was not learned{because}"))
}

/// True where the port showed a service, and no TLS.
fn speaks_plainly(service: &ServiceEvidence) -> bool {
    let known = service.service.as_ref().is_some_and(|s| !s.tls && &*s.name != "tls");
    known && !service.facts.any_under("tls.") && !service.untested.iter().any(|(what, _)| what.starts_with("tls"))
}

/// `TLS 1.2` as (1, 2); SSL stands below every TLS.
fn version(text: &str) -> Option<(u8, u8)> {
    if text.starts_with("SSL") {
        return Some((0, 0));
    }
    let (major, minor) = text.strip_prefix("TLS ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn tls(service: &ServiceEvidence, least: (u8, u8)) -> (Verdict, String) {
    if speaks_plainly(service) {
        return (Verdict::Fail, "the service speaks no TLS".into());
    }
    let Some(accepted) = service.facts.list("tls.versions") else { return unread(service, "tls.versions") };
    if service.facts.bool("tls.control.refused") == Some(false) {
        return (Verdict::Unknown, "the server accepts a hello that none can mean; it answers anything".into());
    }
    let low: Vec<&str> = accepted.iter().filter(|v| version(v).is_none_or(|v| v < least)).map(String::as_str).collect();
    if accepted.is_empty() {
        (Verdict::Unknown, "no version was accepted".into())
    } else if low.is_empty() {
        (Verdict::Pass, format!("accepts {}", accepted.join(", ")))
    } else {
        (Verdict::Fail, format!("accepts {}", low.join(", ")))
    }
}

fn certificate(service: &ServiceEvidence, days: u32, now: Timestamp) -> (Verdict, String) {
    if speaks_plainly(service) {
        return (Verdict::Fail, "the service shows no certificate".into());
    }
    let Some(until) = service.facts.date("tls.certificate.not_after") else {
        return unread(service, "tls.certificate.not_after");
    };
    let left = (until.as_second() - now.as_second()).div_euclid(86_400);
    let verdict = if left >= i64::from(days) { Verdict::Pass } else { Verdict::Fail };
    (verdict, format!("{left} days left, until {until}"))
}

fn redirect(service: &ServiceEvidence) -> (Verdict, String) {
    let Some(status) = service.facts.int("http.status") else { return unread(service, "http.status") };
    match service.facts.list("http.redirects").and_then(|r| r.first()) {
        Some(place) if place.to_ascii_lowercase().starts_with("https://") => {
            (Verdict::Pass, format!("{status}, redirects to {place}"))
        }
        Some(place) => (Verdict::Fail, format!("{status}, redirects to {place}")),
        None => (Verdict::Fail, format!("{status}, does not redirect")),
    }
}
