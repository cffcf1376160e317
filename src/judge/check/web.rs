//! Web pages: what is sent in clear text and what is echoed. The checks of paths and headers are in rhai.

use super::{Answer, Kind, Row, Subject, Verdict};
use crate::lang::job::Consent;

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
