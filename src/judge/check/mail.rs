//! Mail: what is offered before TLS, and what strangers learn.

use super::{Answer, Kind, Row, Subject, Verdict, among};
use crate::lang::job::Consent;

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "SMT-01",
        title: "SMTP without STARTTLS",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 3207"],
        threat: "Mail that other servers bring crosses the network in clear text.",
        impact: "Anybody on the way reads and changes mail.",
        solution: "Offer STARTTLS with a certificate, and publish MTA-STS or DANE.",
        control: "A connection that is inside TLS from its start is not reported; the answer to EHLO counts.",
        judge: |s| clear(s, "smtp"),
        ..Row::BASE
    },
    Row {
        id: "SMT-02",
        title: "SMTP takes passwords in clear text",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 4954", "RFC 8314"],
        threat: "AUTH with a plain password is offered before TLS is begun.",
        impact: "Clients that are led to it show their password to anybody on the way.",
        solution: "Offer AUTH only after STARTTLS or on the submission port with TLS from the start.",
        control: "Mechanisms that do not show the password, such as CRAM-MD5 and SCRAM, are not reported; nor are \
            offers inside TLS.",
        judge: smtp_auth,
        ..Row::BASE
    },
    Row {
        id: "SMT-04",
        title: "SMTP tells which addresses exist",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 5321 section 7.3", "CVE-1999-0531"],
        threat: "VRFY is answered: a name that does not exist is turned down, so others must exist.",
        impact: "Lists of addresses can be tried for passwords and filled with unwanted mail.",
        solution: "Switch VRFY and EXPN off, or answer 252 to everything.",
        control: "A random name is asked about: 252, or 250 even for it, tells nothing and is not reported.",
        asks: &[("smtp.vrfy", "", Consent::Safe)],
        judge: verify,
        ..Row::BASE
    },
    Row {
        id: "POP-01",
        title: "POP3 or IMAP without TLS",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 2595", "RFC 8314"],
        threat: "Names, passwords and mail cross the network in clear text.",
        impact: "Anybody on the way reads the password and the mailbox.",
        solution: "Use ports 995 and 993 with TLS from the start; refuse log-ins before TLS elsewhere.",
        control: "A connection that is inside TLS from its start is not reported; the server's own capability list \
            counts.",
        judge: mailbox,
        ..Row::BASE
    },
];

/// Mechanisms that show the password to whoever reads the connection. RFC 4616.
const CLEAR: &[&str] = &["PLAIN", "LOGIN"];

/// The service speaks in clear and cannot begin TLS.
fn clear(subject: &Subject<'_>, name: &str) -> Answer {
    subject.speaks_clear(&[name])?;
    Ok(Verdict::when(!subject.bool(&format!("{name}.starttls"))?, || "TLS cannot be begun on the connection".into()))
}

fn mailbox(subject: &Subject<'_>) -> Answer {
    match subject.speaks(&["imap"]) {
        Ok(_) => clear(subject, "imap"),
        Err(_) => clear(subject, "pop3"),
    }
}

fn smtp_auth(subject: &Subject<'_>) -> Answer {
    subject.speaks_clear(&["smtp"])?;
    Ok(Verdict::listed("offered before TLS", &among(subject.list("smtp.auth")?, CLEAR)))
}

fn verify(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["smtp"])?;
    let status = subject.int("smtp.vrfy_status")?;
    // Codes that mean: there is no such mailbox. RFC 5321 sections 3.5.3 and 4.2.
    let tells = matches!(status, 550 | 551 | 553);
    Ok(Verdict::when(tells, || format!("VRFY of a random name was answered with {status}")))
}
