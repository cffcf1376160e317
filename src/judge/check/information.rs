//! Information gathered, the guide's rule K10: what a scan shows of a host without any fault being meant.

use super::{Answer, Kind, Row, Scope, Subject, Verdict};
use crate::lang::job::Protocol;

const HOST: Row = Row { kind: Kind::Information, scope: Scope::Host, ..Row::BASE };

pub(super) const CHECKS: &[Row] = &[Row {
    id: "IG-03",
    title: "Open TCP Services List",
    severity: 1,
    references: &["RFC 9293"],
    threat: "Each open port is a program that strangers may talk to.",
    impact: "None by itself.",
    solution: "Close what nobody needs, and write down the rest as expected exposure in a policy.",
    judge: open_tcp,
    ..HOST
}];

fn open_tcp(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let open: Vec<String> = host
        .services
        .iter()
        .filter(|s| s.protocol == Protocol::Tcp)
        .map(|s| match &s.service {
            Some(known) if known.tls => format!("{} {} over TLS ({})", s.port, known.name, known.how),
            Some(known) => format!("{} {} ({})", s.port, known.name, known.how),
            None => format!("{} unknown", s.port),
        })
        .collect();
    Ok(Verdict::when(!open.is_empty(), || open.join(", ")))
}
