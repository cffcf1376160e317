//! Name servers.

use super::{Answer, Hit, Kind, Row, Scope, Subject, Verdict};
use crate::lang::job::Protocol;

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "DNS-01",
        title: "The name server resolves any name for strangers",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 5358"],
        threat: "An open resolver takes part in attacks: small questions with a forged sender bring large answers to \
            third parties.",
        impact: "Attacks on others at the cost of the own line, and a better chance to poison the cache.",
        solution: "Answer recursive questions from own networks only.",
        control: "A server that refuses the question, or answers for its own zones only, is not reported.",
        judge: recursion,
        ..Row::BASE
    },
    Row {
        id: "DNS-02",
        title: "The name server gives away whole zones",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 5936", "CVE-1999-0532"],
        threat: "A zone transfer lists every name of the zone at once.",
        impact: "Inner names, test systems and forgotten hosts are found without a guess.",
        solution: "Allow transfers to the own secondary servers only, with TSIG.",
        control: "A server that refuses the transfer is not reported; nothing is read beyond the first records.",
        judge: transfer,
        ..Row::BASE
    },
    Row {
        id: "DNS-03",
        title: "The name server gives large answers to small questions",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 8482"],
        threat: "Questions with a forged sender bring answers many times their size to third parties.",
        impact: "The host takes part in attacks on others, at the cost of its own line.",
        solution: "Limit the rate of answers, answer ANY with little (RFC 8482), and keep UDP answers below 1232 bytes.",
        control: "Our own question and its answer are compared in bytes; less than ten times the size is not reported.",
        judge: large_answers,
        ..Row::BASE
    },
    Row {
        id: "DNS-04",
        title: "The name server shows its version",
        severity: 1,
        references: &["RFC 4892"],
        threat: "The version tells which flaws are worth trying.",
        impact: "None by itself; it helps somebody who prepares an attack.",
        solution: "Set another text or none for version.bind.",
        judge: dns_version,
        ..Row::BASE
    },
    Row {
        id: "DNS-06",
        title: "A name leads to an address that is no longer ours",
        severity: 4,
        kind: Kind::Confirmed,
        scope: Scope::Host,
        references: &["NIST SP 800-53 CM-8"],
        threat: "The address was an asset's that is gone or has given it back; the provider gives it to the next customer, \
            who then answers under the name.",
        impact: "Whoever gets the address can show pages, take log-ins and obtain certificates in the name's place.",
        solution: "Delete or correct the record before an address is given back; use names that follow the resource.",
        control: "The address must have been an asset's in this inventory or in the last run; addresses that an asset has \
            now, and those that were never ours, are not reported.",
        judge: given_back,
        ..Row::BASE
    },
    Row {
        id: "DNS-07",
        title: "No CAA record for a name with a public certificate",
        scope: Scope::Host,
        references: &["RFC 8659"],
        threat: "Every public authority may issue certificates for the name, also those that nobody here has heard of.",
        impact: "None by itself; a mistake of any one authority is enough for a wrong certificate.",
        solution: "Publish CAA records that name the authorities in use, at the domain's top.",
        judge: any_authority,
        ..Row::BASE
    },
];

/// Bytes of answer for one byte of question from which on it is worth somebody's while.
const LARGE: i64 = 10;

fn recursion(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["dns"])?;
    Ok(Verdict::when(subject.bool("dns.recursion")?, || "a name of another zone was resolved".into()))
}

fn transfer(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["dns"])?;
    if service.protocol != Protocol::Tcp {
        return Err(Verdict::NotApplicable);
    }
    let zone = service.facts.text("dns.transfer_zone").map(|z| format!(" {z}")).unwrap_or_default();
    Ok(Verdict::when(subject.bool("dns.transfer")?, || format!("AXFR was answered with the zone{zone}")))
}

fn large_answers(subject: &Subject<'_>) -> Answer {
    if subject.speaks(&["dns"])?.protocol != Protocol::Udp {
        return Err(Verdict::NotApplicable);
    }
    let (asked, answered) = (subject.int("udp.request_bytes")?, subject.int("udp.reply_bytes")?);
    let large = asked > 0 && answered >= asked.saturating_mul(LARGE);
    Ok(Verdict::when(large, || format!("{answered} bytes in answer to {asked}")))
}

fn dns_version(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["dns"])?;
    let version = subject.text("dns.version")?;
    Ok(Verdict::when(!version.is_empty(), || format!("version.bind is {version}")))
}

/// One hit a name: `name address asset`.
fn given_back(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    if host.facts.get("dns.gone").is_none() {
        return Err(if host.name.is_none() { Verdict::NotApplicable } else { subject.not_learned("dns.gone") });
    }
    let hits = subject.list("dns.gone")?.iter().filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let (name, addr, asset) = (words.next()?, words.next()?, words.next()?);
        let evidence = format!("{name} leads to {addr}, which was an address of {asset}");
        Some(Hit { evidence, key: format!("{name} {addr}"), ..Hit::default() })
    });
    Ok(Verdict::hits(hits.collect()))
}

fn any_authority(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let public = host.services.iter().any(|s| s.facts.bool("tls.certificate.trusted") == Some(true));
    if !public {
        return Err(Verdict::NotApplicable);
    }
    Ok(Verdict::listed("names without CAA", subject.list("dns.caa_missing")?))
}
