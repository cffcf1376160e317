//! SSH: algorithms and keys that a client is offered before it logs in.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Hit, Kind, Row, Scope, Subject, Verdict, among};

/// Assets that one finding names.
const MOST_NAMED: usize = 10;
/// Key exchanges of RFC 9142 that are `MUST NOT` or `SHOULD NOT`.
const WEAK_KEX: &[&str] = &["diffie-hellman-group1-sha1", "diffie-hellman-group-exchange-sha1", "rsa1024-sha1"];
/// The same for methods whose names go on with a hash of a mechanism. RFC 4462 section 2.
const WEAK_KEX_FAMILIES: &[&str] = &["gss-group1-sha1-", "gss-gex-sha1-"];

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "SSH-03",
        title: "SSH offers weak key exchange methods",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 9142"],
        threat: "The server agrees to key exchanges whose group or hash is too weak to keep a recorded session secret.",
        impact: "Somebody who records sessions may decrypt them later, or lead a client to the weakest method on offer.",
        solution: "Allow only curve25519-sha256, the NIST curves, or finite field groups of 2048 bits and more with SHA-2.",
        control: "The list is the server's own offer: a method that it does not name is not reported.",
        judge: weak_key_exchange,
        ..Row::BASE
    },
    Row {
        id: "SSH-01",
        title: "SSH can be reached",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["CIS AWS Foundations 5.0 5.3 and 5.4"],
        threat: "Log-in services that strangers can reach are tried all day with stolen and common passwords.",
        impact: "One weak account, or one flaw before the log-in, gives a shell on the host.",
        solution: "Reach it through a bastion, a VPN or the provider's session service; allow known source addresses \
            only.",
        control: "The service is recognised by its identification line; an open port alone is not reported.",
        judge: |s| s.reached(&["ssh"]),
        ..Row::BASE
    },
    Row {
        id: "SSH-07",
        title: "SSH messages can be cut out at the start of a session",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["CVE-2023-48795"],
        threat: "Cipher modes are offered in which an intruder on the way can drop the first messages of a session \
            unseen (Terrapin).",
        impact: "Extensions that protect the session, such as the signature algorithms of RFC 8308, are silently \
            switched off.",
        solution: "Update the server to one that offers strict key exchange, or switch off chacha20-poly1305 and CBC \
            with -etm MACs.",
        control: "A server that offers strict key exchange is not reported, whatever its modes; nor is one without \
            affected modes.",
        judge: prefix_truncation,
        ..Row::BASE
    },
    Row {
        id: "SSH-13",
        title: "Several assets have the same SSH host key",
        severity: 3,
        kind: Kind::Confirmed,
        scope: Scope::Estate,
        threat: "Whoever takes one of the assets holds the key that proves the identity of all of them.",
        impact: "Connections to the other assets can be answered by an impostor without any warning to the client.",
        solution: "Make host keys on first start instead of baking them into an image, and replace the shared ones.",
        control: "Addresses of one asset share its key and are not reported; keys are compared by whole fingerprint.",
        judge: shared_host_keys,
        ..Row::BASE
    },
];

fn weak_key_exchange(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["ssh"])?;
    let offered = subject.list("ssh.kex")?;
    let mut weak = among(offered, WEAK_KEX);
    weak.extend(offered.iter().filter(|k| WEAK_KEX_FAMILIES.iter().any(|f| k.starts_with(f))).cloned());
    Ok(Verdict::listed("key exchanges offered", &weak))
}

/// Cipher in which messages can be cut out. CVE-2023-48795.
const STREAM: &str = "chacha20-poly1305@openssh.com";

fn prefix_truncation(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["ssh"])?;
    let (ciphers, macs) = (subject.list("ssh.ciphers")?, subject.list("ssh.macs")?);
    let mut affected = among(ciphers, &[STREAM]);
    if macs.iter().any(|m| m.ends_with("-etm@openssh.com")) {
        affected.extend(ciphers.iter().filter(|c| c.ends_with("-cbc")).cloned());
    }
    if affected.is_empty() {
        return Ok(Verdict::Clear);
    }
    let strict = subject.bool("ssh.strict_kex")?;
    Ok(Verdict::when(!strict, || format!("no strict key exchange, but {}", affected.join(", "))))
}

/// One hit an asset that shares a key with others.
fn shared_host_keys(subject: &Subject<'_>) -> Answer {
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for host in subject.estate.iter().filter(|h| !h.unattributed) {
        for service in &host.services {
            let keys = service.facts.iter().filter(|(path, _)| path.starts_with("ssh.fingerprint."));
            for key in keys.filter_map(|(path, _)| service.facts.text(path)) {
                owners.entry(key).or_default().insert(&host.asset);
            }
        }
    }
    let mut hits = Vec::new();
    for (key, assets) in owners.iter().filter(|(_, assets)| assets.len() > 1) {
        for asset in assets {
            let others: Vec<&str> = assets.iter().filter(|a| *a != asset).take(MOST_NAMED).copied().collect();
            let more = assets.len().saturating_sub(1 + others.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let evidence = format!("{key} is also the key of {}{more}", others.join(", "));
            hits.push(Hit { evidence, key: (*key).into(), asset: Some((*asset).into()), severity: None });
        }
    }
    Ok(Verdict::hits(hits))
}
