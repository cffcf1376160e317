//! Data stores: those that let anybody in.

use super::{Answer, Kind, Row, Subject, Verdict};
use crate::lang::job::Consent;

pub(super) const CHECKS: &[Row] = &[
    Row {
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
    },
    Row {
        id: "DB-01",
        title: "MySQL or MariaDB can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["PCI DSS 4.0.1 1.4.4"],
        threat: "The database takes log-ins from strangers, and where it offers no TLS, in clear text.",
        impact: "A guessed password, or a flaw before the log-in, gives the data away.",
        solution: "Do not expose the port; allow inner addresses only, and require TLS.",
        control: "The service is recognised by its greeting; an open port 3306 alone is not reported.",
        judge: |s| store(s, "mysql"),
        ..Row::BASE
    },
    Row {
        id: "DB-02",
        title: "PostgreSQL can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        threat: "The database takes log-ins from strangers, and where it refuses TLS, in clear text.",
        impact: "A guessed password, or a flaw before the log-in, gives the data away.",
        solution: "Do not expose the port; allow inner addresses only, and use hostssl lines only in pg_hba.conf.",
        control: "The service is recognised by its answer to SSLRequest; an open port 5432 alone is not reported.",
        judge: |s| store(s, "postgresql"),
        ..Row::BASE
    },
    Row {
        id: "DB-03",
        title: "PostgreSQL lets in without a password",
        severity: 5,
        kind: Kind::Confirmed,
        consent: Consent::Auth,
        threat: "A startup message in the usual user's name was answered with AuthenticationOk.",
        impact: "Loss and disclosure of all data.",
        solution: "Replace `trust` in pg_hba.conf by scram-sha-256, and do not expose the port.",
        control: "A server that asks for a password answers the same message with an authentication request, which is \
            not reported.",
        judge: |s| s.lets_in("postgresql"),
        ..Row::BASE
    },
    Row {
        id: "DB-04",
        title: "Microsoft SQL Server can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["MS-TDS"],
        threat: "The database takes log-ins from strangers; where encryption is off, in clear text.",
        impact: "A guessed password gives the data away, and for administrators the host.",
        solution: "Do not expose the port; allow inner addresses only, and force encryption.",
        control: "The service is recognised by its answer to a prelogin message; an open port 1433 alone is not \
            reported.",
        judge: |s| store(s, "mssql"),
        ..Row::BASE
    },
    Row {
        id: "DB-05",
        title: "An Oracle listener can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["CVE-2012-1675"],
        threat: "The listener names its services and takes log-ins; old ones let strangers register a database of \
            their own.",
        impact: "Log-ins can be tried; where registration is open, sessions can be read on the way.",
        solution: "Do not expose the port; allow inner addresses only; restrict registration with \
            VALID_NODE_CHECKING_REGISTRATION.",
        control: "The service is recognised by its answer to a connect packet. Whether registration is open is not \
            tested.",
        judge: |s| s.reached(&["oracle"]),
        ..Row::BASE
    },
    Row {
        id: "DB-06",
        title: "MongoDB answers commands without authentication",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "Anybody who reaches the port reads, changes and deletes all data.",
        impact: "Loss and disclosure of all data.",
        solution: "Do not expose the port; allow inner addresses only, and switch authorization on.",
        control: "A server with access control answers the same command with an Unauthorized error, which is not \
            reported.",
        judge: |s| s.lets_in("mongodb"),
        ..Row::BASE
    },
    Row {
        id: "DB-08",
        title: "Memcached can be reached",
        severity: 5,
        kind: Kind::Confirmed,
        references: &["CVE-2018-1000115"],
        threat: "Memcached asks nobody who he is; over UDP its answers are thousands of times the size of the \
            question.",
        impact: "Cached sessions and data are read and replaced; over UDP the host takes part in attacks on others.",
        solution: "Listen on inner addresses only, and switch UDP off with -U 0.",
        control: "A server that asks for SASL authentication answers the version command with an error, which is not \
            reported.",
        judge: memcached,
        ..Row::BASE
    },
    Row {
        id: "DB-09",
        title: "Elasticsearch or OpenSearch answers without authentication",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "Anybody who reaches the port reads, changes and deletes all indices.",
        impact: "Loss and disclosure of all data.",
        solution: "Do not expose the port; allow inner addresses only, and switch the security features on.",
        control: "A server with security switched on answers the same request with 401, which is not reported.",
        judge: elasticsearch,
        ..Row::BASE
    },
    Row {
        id: "DB-11",
        title: "Cassandra lets in without authentication",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "Anybody who reaches the port reads and changes all keyspaces.",
        impact: "Loss and disclosure of all data.",
        solution: "Do not expose the port; allow inner addresses only, and set PasswordAuthenticator.",
        control: "A server with an authenticator answers the same STARTUP with AUTHENTICATE, which is not reported.",
        judge: |s| s.lets_in("cassandra"),
        ..Row::BASE
    },
    Row {
        id: "DB-12",
        title: "CouchDB answers without authentication",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "Anybody who reaches the port lists and reads databases, and in old versions is administrator.",
        impact: "Loss and disclosure of all data.",
        solution: "Do not expose the port; allow inner addresses only, and set an administrator and require_valid_user.",
        control: "A server that asks for a log-in answers the list of databases with 401, which is not reported.",
        judge: |s| s.lets_in("couchdb"),
        ..Row::BASE
    },
    Row {
        id: "DB-13",
        title: "ClickHouse answers without authentication",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "Anybody who reaches the port runs queries as the default user.",
        impact: "Loss and disclosure of all data.",
        solution: "Do not expose the port; allow inner addresses only, and give the default user a password.",
        control: "A server whose default user has a password refuses the same query, which is not reported.",
        judge: |s| s.lets_in("clickhouse"),
        ..Row::BASE
    },
    Row {
        id: "DB-14",
        title: "InfluxDB can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        threat: "The time series database answers strangers; version 1 asks for no log-in unless told to.",
        impact: "Measurements are read and changed where authentication is off; that is not tested.",
        solution: "Do not expose the port; allow inner addresses only, and switch authentication on.",
        control: "The service is recognised by the version header of its ping answer; other web servers are not \
            reported.",
        judge: |s| s.reached(&["influxdb"]),
        ..Row::BASE
    },
    Row {
        id: "DB-15",
        title: "etcd answers without authentication",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "etcd holds the state and the secrets of clusters, and anybody who reaches the port reads and writes \
            it.",
        impact: "Whoever writes to it owns the cluster.",
        solution: "Do not expose the port; allow inner addresses only, and require client certificates.",
        control: "A server that requires client certificates or log-ins refuses the same request, which is not \
            reported.",
        judge: |s| s.lets_in("etcd"),
        ..Row::BASE
    },
    Row {
        id: "DB-16",
        title: "ZooKeeper answers strangers",
        severity: 4,
        kind: Kind::Confirmed,
        threat: "The coordination service tells its state, and by default lets anybody read and write its tree.",
        impact: "Clusters that rest on it can be read, misled or stopped.",
        solution: "Do not expose the port; allow inner addresses only, and use SASL and access lists.",
        control: "The service is recognised by its answer to srvr; an open port alone is not reported.",
        judge: |s| s.reached(&["zookeeper"]),
        ..Row::BASE
    },
];

fn redis_open(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["redis"])?;
    Ok(Verdict::when(!subject.bool("redis.auth_required")?, || "PING was answered with +PONG".into()))
}

/// A store that can be reached, and whether what is said to it can be read on the way.
fn store(subject: &Subject<'_>, name: &str) -> Answer {
    let service = subject.speaks(&[name])?;
    let tls = match service.facts.bool(&format!("{name}.tls_offered")) {
        Some(true) => "; TLS is offered",
        Some(false) => "; TLS is not offered",
        None => "",
    };
    Ok(Verdict::found(format!("{}{tls}", subject.known_by()?)))
}

fn memcached(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["memcached"])?;
    let guarded = service.facts.bool("memcached.auth_required") == Some(true);
    let evidence = format!("{}{}", subject.known_by()?, subject.ratio()?);
    Ok(Verdict::when(!guarded, || evidence))
}

fn elasticsearch(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["elasticsearch"])?;
    if service.facts.bool("elasticsearch.auth_required").is_some() {
        return subject.lets_in("elasticsearch");
    }
    let open = subject.bool("elasticsearch.open")?;
    let known = subject.known_by()?;
    Ok(Verdict::when(open, || format!("{known}; no login was asked for")))
}
