//! Message brokers and what belongs to them.

use super::{Answer, Kind, Row, Subject, Verdict};
use crate::lang::job::Consent;

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "MQ-01",
        title: "MQTT lets in clients without a name",
        severity: 4,
        kind: Kind::Confirmed,
        consent: Consent::Auth,
        references: &["MQTT 5.0 section 3.1"],
        threat: "Anybody can listen to all messages and send others.",
        impact: "Machines and sensors are read and driven by strangers.",
        solution: "Switch anonymous access off, give each client a certificate or password, and use TLS.",
        control: "A broker that refuses the same CONNECT with a code is not reported; the client leaves at once.",
        judge: mqtt,
        ..Row::BASE
    },
    Row {
        id: "MQ-02",
        title: "An AMQP broker can be reached",
        severity: 3,
        kind: Kind::Confirmed,
        threat: "The broker takes log-ins from strangers.",
        impact: "A guessed or default password reads and changes all messages.",
        solution: "Allow inner addresses only, remove default users, and use TLS.",
        control: "The service is recognised by its protocol header or its first method; an open port alone is not \
            reported.",
        judge: |s| s.reached(&["amqp"]),
        ..Row::BASE
    },
    Row {
        id: "MQ-03",
        title: "Kafka answers without authentication",
        severity: 4,
        kind: Kind::Confirmed,
        threat: "Anybody who reaches the port lists brokers, and reads and writes topics where no access list forbids \
            it.",
        impact: "Messages are disclosed, changed and deleted.",
        solution: "Use SASL with TLS on every listener that is not inside, and access lists.",
        control: "A broker that requires SASL closes or refuses the same request, which is not reported.",
        judge: |s| s.lets_in("kafka"),
        ..Row::BASE
    },
    Row {
        id: "MQ-04",
        title: "NATS answers without authentication",
        severity: 4,
        kind: Kind::Confirmed,
        threat: "Anybody who reaches the port can subscribe to all subjects.",
        impact: "Messages are read and forged.",
        solution: "Require users, tokens or keys, and TLS.",
        control: "A server whose INFO says auth_required is not reported.",
        judge: |s| s.lets_in("nats"),
        ..Row::BASE
    },
    Row {
        id: "MQ-06",
        title: "The Erlang port mapper answers strangers",
        severity: 3,
        kind: Kind::Confirmed,
        threat: "It lists the Erlang nodes of the host and their ports.",
        impact: "A node is protected by one shared word; whoever learns it runs code on the host.",
        solution: "Close port 4369 and the ports of the nodes at the edge.",
        control: "The service is recognised by its answer to a names request; an open port alone is not reported.",
        judge: |s| s.reached(&["epmd"]),
        ..Row::BASE
    },
];

fn mqtt(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["mqtt"])?;
    Ok(Verdict::when(subject.bool("mqtt.anonymous")?, || "CONNECT without a user name was accepted".into()))
}
