//! SSH: algorithms and keys that a client is offered before it logs in.

use super::{Answer, Kind, Row, Subject, Verdict, among};

/// Key exchanges of RFC 9142 that are `MUST NOT` or `SHOULD NOT`.
const WEAK_KEX: &[&str] = &["diffie-hellman-group1-sha1", "diffie-hellman-group-exchange-sha1", "rsa1024-sha1"];
/// The same for methods whose names go on with a hash of a mechanism. RFC 4462 section 2.
const WEAK_KEX_FAMILIES: &[&str] = &["gss-group1-sha1-", "gss-gex-sha1-"];

pub(super) const CHECKS: &[Row] = &[Row {
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
}];

fn weak_key_exchange(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["ssh"])?;
    let offered = subject.list("ssh.kex")?;
    let mut weak = among(offered, WEAK_KEX);
    weak.extend(offered.iter().filter(|k| WEAK_KEX_FAMILIES.iter().any(|f| k.starts_with(f))).cloned());
    Ok(Verdict::listed("key exchanges offered", &weak))
}
