//! TLS, on any port where it was spoken: versions and certificates.

use super::{Answer, Kind, Row, Subject, Verdict, among};

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "TLS-03",
        title: "TLS 1.0 or TLS 1.1 is accepted",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 8996", "RFC 9325"],
        threat: "Versions before TLS 1.2 rest on MD5 and SHA-1 and lack authenticated encryption.",
        impact: "A connection that is led to the old version is open to attacks that newer versions rule out.",
        solution: "Accept TLS 1.2 and TLS 1.3 only.",
        control: "A hello with only an unassigned cipher suite must be refused; a server that accepts it proves nothing.",
        judge: old_versions,
        ..Row::BASE
    },
    Row {
        id: "TLS-10",
        title: "The certificate has expired or is not yet valid",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 5280 section 4.1.2.5"],
        threat: "Clients refuse the service, or users learn to click warnings away.",
        impact: "The service is not reachable for careful clients, and an impostor is not noticed by careless ones.",
        solution: "Renew the certificate, and renew it automatically.",
        control: "The dates are read from the certificate sent and compared with the moment of the judgement.",
        judge: certificate_dates,
        ..Row::BASE
    },
];

/// What a server that accepts nonsense says about itself.
fn answers_anything(subject: &Subject<'_>) -> Result<(), Verdict> {
    match subject.bool("tls.control.refused") {
        Ok(false) => Err(Verdict::not_tested("the control was accepted too: the server answers anything")),
        Ok(true) | Err(_) => Ok(()),
    }
}

fn old_versions(subject: &Subject<'_>) -> Answer {
    subject.speaks_tls()?;
    let old = among(subject.list("tls.versions")?, &["TLS 1.0", "TLS 1.1"]);
    answers_anything(subject)?;
    Ok(Verdict::listed("versions accepted", &old))
}

fn certificate_dates(subject: &Subject<'_>) -> Answer {
    subject.speaks_tls()?;
    let (from, to) = (subject.date("tls.certificate.not_before")?, subject.date("tls.certificate.not_after")?);
    if subject.now > to {
        return Ok(Verdict::found(format!("valid until {to}")));
    }
    Ok(Verdict::when(subject.now < from, || format!("valid from {from}")))
}
