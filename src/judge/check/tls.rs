//! TLS, on any port where it was spoken: versions and certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Answer, Hit, Kind, Row, Scope, Subject, Verdict, among};

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
    Row {
        id: "TLS-01",
        title: "SSL 2.0 is accepted",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["RFC 6176", "CVE-2016-0800"],
        threat: "SSL 2.0 does not protect its handshake; a server that speaks it helps to decrypt newer sessions of \
            the same key (DROWN).",
        impact: "Recorded sessions can be decrypted, also those of other servers with the same key.",
        solution: "Switch SSL 2.0 off on every server that uses the key.",
        control: "A hello with only an unassigned cipher suite must be refused; a server that accepts it proves \
            nothing.",
        judge: |s| version(s, "SSL 2.0"),
        ..Row::BASE
    },
    Row {
        id: "TLS-02",
        title: "SSL 3.0 is accepted",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 7568", "CVE-2014-3566"],
        threat: "SSL 3.0 does not check its padding: somebody on the way can read parts of a session byte by byte \
            (POODLE).",
        impact: "Cookies and passwords of sessions that are led to SSL 3.0 are read.",
        solution: "Switch SSL 3.0 off.",
        control: "A hello with only an unassigned cipher suite must be refused; a server that accepts it proves \
            nothing.",
        judge: |s| version(s, "SSL 3.0"),
        ..Row::BASE
    },
    Row {
        id: "TLS-08",
        title: "Diffie-Hellman group of less than 2048 bits",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 7919", "CVE-2015-4000"],
        threat: "Small groups can be broken with means that large organisations have, once for all servers that share \
            a group.",
        impact: "Recorded sessions can be decrypted.",
        solution: "Use the groups of RFC 7919 with 2048 bits and more, or elliptic curves only.",
        control: "The size is read from the prime that the server sent; groups of 2048 bits and more are not reported.",
        judge: small_group,
        ..Row::BASE
    },
    Row {
        id: "TLS-12",
        title: "The certificate is not for the name of the target",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 9525"],
        threat: "Clients refuse the service, or users learn to click warnings away.",
        impact: "The service is not reachable for careful clients, and an impostor is not noticed by careless ones.",
        solution: "Use a certificate that names every public name of the service.",
        control: "Targets that were chosen by address alone have no name to compare, and are not reported.",
        judge: wrong_name,
        ..Row::BASE
    },
    Row {
        id: "TLS-13",
        title: "The certificate is not trusted by public roots",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 5280"],
        threat: "Clients cannot tell the service from an impostor: its chain is self-signed, incomplete or of an \
            unknown authority.",
        impact: "Clients refuse the service, or accept anything in its place.",
        solution: "Use a certificate of a public authority and send all certificates between it and the root.",
        control: "A certificate outside its dates is TLS-10's and is not reported here.",
        judge: untrusted,
        ..Row::BASE
    },
    Row {
        id: "TLS-22",
        title: "The certificate is revoked",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 6960"],
        threat: "The server itself sends the authority's word that its certificate must not be trusted.",
        impact: "Careful clients refuse the service; the key may be in other hands.",
        solution: "Replace key and certificate, and find out why it was revoked.",
        control: "The stapled status `good`, and no status at all, are not reported.",
        judge: revoked,
        ..Row::BASE
    },
    Row {
        id: "TLS-23",
        title: "Assets with different names share a private key",
        severity: 3,
        kind: Kind::Confirmed,
        scope: Scope::Estate,
        threat: "Whoever takes one of the assets holds the key of the others.",
        impact: "Impostors of the other services cannot be told apart from them.",
        solution: "Make a key of its own for each service.",
        control: "Assets whose certificates have a name in common are one service and are not reported.",
        judge: shared_keys,
        ..Row::BASE
    },
    Row {
        id: "TLS-24",
        title: "One address of an asset accepts older TLS than another",
        severity: 2,
        kind: Kind::Confirmed,
        scope: Scope::Estate,
        threat: "The rules that hold on one address of the asset, often IPv4, were forgotten on another, often IPv6.",
        impact: "A client that comes over the forgotten address can be led to the old version.",
        solution: "Use one configuration for all addresses, and compare them after each change.",
        control: "The same port of the same asset is compared; addresses that accept the same oldest version are not \
            reported.",
        judge: weaker_address,
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
    if old.is_empty() {
        subject.whole("tls.suites.TLS 1.0")?;
        subject.whole("tls.suites.TLS 1.1")?;
    }
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

fn version(subject: &Subject<'_>, version: &str) -> Answer {
    subject.speaks_tls()?;
    let accepted = among(subject.list("tls.versions")?, &[version]);
    answers_anything(subject)?;
    if accepted.is_empty() {
        subject.whole(&format!("tls.suites.{version}"))?;
    }
    Ok(Verdict::listed("version accepted", &accepted))
}

fn small_group(subject: &Subject<'_>) -> Answer {
    subject.speaks_tls()?;
    // A server without such suites has no group to be measured.
    let bits = match subject.int("tls.dh_bits") {
        Err(Verdict::NotTested(_)) if no_finite_suites(subject) => {
            subject.whole("tls.suites")?;
            return Ok(Verdict::Clear);
        }
        other => other?,
    };
    if bits >= 2_048 {
        subject.whole("tls.suites")?;
    }
    Ok(Verdict::when(bits < 2_048, || format!("a group of {bits} bits was sent")))
}

/// The suites were learned, and none exchanges keys in a finite field.
fn no_finite_suites(subject: &Subject<'_>) -> bool {
    subject.list("tls.suites").is_ok_and(|all| !all.iter().any(|s| s.starts_with("TLS_DH")))
}

fn wrong_name(subject: &Subject<'_>) -> Answer {
    subject.speaks_tls()?;
    let Some(name) = &subject.on_host()?.name else { return Err(Verdict::NotApplicable) };
    let matches = subject.bool("tls.certificate.name_matches")?;
    let names = subject.list("tls.certificate.names").unwrap_or_default();
    Ok(Verdict::when(!matches, || format!("{name} is not among its names: {}", names.join(", "))))
}

fn untrusted(subject: &Subject<'_>) -> Answer {
    let facts = &subject.speaks_tls()?.facts;
    if subject.bool("tls.certificate.trusted")? {
        return Ok(Verdict::Clear);
    }
    let outside = facts.date("tls.certificate.not_after").is_some_and(|to| subject.now > to)
        || facts.date("tls.certificate.not_before").is_some_and(|from| subject.now < from);
    if outside {
        return Err(Verdict::NotApplicable);
    }
    let issuer = facts.text("tls.certificate.issuer").unwrap_or("an issuer that was not read");
    Ok(Verdict::found(if facts.bool("tls.certificate.self_signed") == Some(true) {
        format!("signed with its own key: {issuer}")
    } else if facts.bool("tls.certificate.chain_complete") == Some(false) {
        format!("the chain as sent leads to no public root; issued by {issuer}")
    } else {
        format!("issued by {issuer}")
    }))
}

/// Servers need not send a status; without one there is nothing to judge.
fn revoked(subject: &Subject<'_>) -> Answer {
    let Some(status) = subject.speaks_tls()?.facts.text("tls.ocsp.status") else {
        return Err(Verdict::NotApplicable);
    };
    Ok(Verdict::when(status == "revoked", || "the stapled status is `revoked`".into()))
}

/// One hit an asset whose key another asset has, where their certificates have no name in common.
fn shared_keys(subject: &Subject<'_>) -> Answer {
    let mut owners: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for host in subject.estate.iter().filter(|h| !h.unattributed) {
        for service in &host.services {
            let Some(key) = service.facts.text("tls.certificate.key_fingerprint") else { continue };
            let names = service.facts.list("tls.certificate.names").unwrap_or_default();
            let known = owners.entry(key).or_default().entry(&host.asset).or_default();
            known.extend(names.iter().map(String::as_str));
        }
    }
    let mut hits = Vec::new();
    for (key, assets) in &owners {
        for (asset, names) in assets {
            let stranger = assets.iter().find(|(other, theirs)| *other != asset && names.is_disjoint(theirs));
            let Some((other, _)) = stranger else { continue };
            let evidence = format!("key {key} is also the key of {other}, whose certificate has other names");
            hits.push(Hit { evidence, key: (*key).into(), asset: Some((*asset).into()), severity: None });
        }
    }
    Ok(Verdict::hits(hits))
}

/// Versions from the oldest on.
const LADDER: &[&str] = &["SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"];

/// Place of the oldest version accepted; nothing from TLS 1.2 on, where newer is a matter of taste.
fn oldest(versions: &[String]) -> usize {
    let first = LADDER.iter().position(|v| versions.iter().any(|a| a == v));
    first.unwrap_or(LADDER.len()).min(4)
}

fn weaker_address(subject: &Subject<'_>) -> Answer {
    let mut seen: BTreeMap<(&str, u16), Vec<(usize, IpAddr)>> = BTreeMap::new();
    for host in subject.estate.iter().filter(|h| !h.unattributed) {
        for service in &host.services {
            let Some(versions) = service.facts.list("tls.versions").filter(|v| !v.is_empty()) else { continue };
            seen.entry((&host.asset, service.port)).or_default().push((oldest(versions), host.addr));
        }
    }
    let mut hits = Vec::new();
    for ((asset, port), addresses) in &seen {
        let (Some(weak), Some(strong)) = (addresses.iter().min(), addresses.iter().max()) else { continue };
        if weak.0 < strong.0 {
            let version = LADDER.get(weak.0).unwrap_or(&"an old version");
            let evidence = format!("port {port}: {} accepts {version}, {} does not", weak.1, strong.1);
            hits.push(Hit { evidence, key: port.to_string(), asset: Some((*asset).into()), severity: None });
        }
    }
    Ok(Verdict::hits(hits))
}
