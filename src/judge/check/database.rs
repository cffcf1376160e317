//! Data stores: those that let anybody in.

use super::{Answer, Kind, Row, Subject, Verdict};

pub(super) const CHECKS: &[Row] = &[Row {
    id: "DB-07",
    title: "Redis answers commands without authentication",
    severity: 5,
    kind: Kind::Confirmed,
    references: &["NIST SP 800-53 SC-7"],
    threat: "Anybody who reaches the port can read, change and delete all data, and change the server's configuration.",
    impact: "Loss and disclosure of all data; often a way to run programs on the host.",
    solution: "Do not expose the port; bind it to an inner address, set requirepass or ACL users, and use TLS.",
    control: "A server that asks for a password answers the same PING with -NOAUTH, which is not a finding.",
    judge: redis_open,
    ..Row::BASE
}];

fn redis_open(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["redis"])?;
    Ok(Verdict::when(!subject.bool("redis.auth_required")?, || "PING was answered with +PONG".into()))
}
