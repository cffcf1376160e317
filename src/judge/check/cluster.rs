//! Clusters, containers and Java services: interfaces that drive them.

use super::{Answer, Kind, Row, Scope, Subject, Verdict};
use crate::service::evidence::ServiceEvidence;

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "CL-01",
        title: "The Docker API answers without TLS",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "Anybody who reaches the port starts containers with the rights of the host's administrator.",
        impact: "The host and all its containers are lost.",
        solution: "Use the local socket or SSH; on the network require client certificates.",
        control: "The answer to a request for the version counts; a refusal is not reported, and inside TLS it is \
            CL-02's.",
        judge: |s| docker(s, false),
        ..Row::BASE
    },
    Row {
        id: "CL-02",
        title: "The Docker API does not ask for a client certificate",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "TLS hides the requests but anybody may send them, with the rights of the host's administrator.",
        impact: "The host and all its containers are lost.",
        solution: "Start the daemon with tlsverify and an authority of your own.",
        control: "A daemon that requires a certificate refuses the handshake or the request, which is not reported.",
        judge: |s| docker(s, true),
        ..Row::BASE
    },
    Row {
        id: "CL-04",
        title: "The Kubernetes API can be reached",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["CIS Kubernetes Benchmark"],
        threat: "The interface that drives the cluster takes requests from strangers; severity 5 where it answers \
            them.",
        impact: "A stolen token, or anonymous rights, give the cluster away.",
        solution: "Allow known networks only or make the endpoint private; bind no role to system:anonymous.",
        control: "The service is recognised by its own error or version documents; 401 and 403 keep severity 3.",
        judge: kubernetes,
        ..Row::BASE
    },
    Row {
        id: "CL-05",
        title: "A kubelet answers without authentication",
        severity: 5,
        kind: Kind::Confirmed,
        references: &["CIS Kubernetes Benchmark"],
        threat: "Anybody who reaches the port lists the pods of the node, and on the read-write port runs commands in \
            them.",
        impact: "Secrets of all pods of the node, and often the cluster.",
        solution: "Set anonymous-auth to false and the authorization mode to Webhook; set the read-only port to 0.",
        control: "A kubelet that answers the list of pods with 401 or 403 is not reported.",
        judge: kubelet,
        ..Row::BASE
    },
    Row {
        id: "CL-06",
        title: "A service catalogue or scheduler answers strangers",
        severity: 4,
        kind: Kind::Confirmed,
        threat: "Consul or Nomad answers strangers; without access lists they register services and start jobs.",
        impact: "Often a way to run programs on every node.",
        solution: "Allow inner addresses only, and switch access lists on.",
        control: "The service is recognised by its own status answer, and one whose access lists refuse the same read is \
            not reported.",
        judge: |s| match s.speaks(&["consul"]) {
            Ok(_) => s.lets_in("consul"),
            Err(_) => s.lets_in("nomad"),
        },
        ..Row::BASE
    },
    Row {
        id: "CL-08",
        title: "A configuration master of the Salt family can be reached",
        severity: 5,
        kind: Kind::Potential,
        scope: Scope::Host,
        references: &["CVE-2020-11651"],
        threat: "The master publishes orders on one port and takes requests on another, as Salt does; versions before \
            2019.2.4 and 3000.2 carry out orders of strangers.",
        impact: "Without the update strangers run commands on the master and on every machine it manages. The version is \
            not tested.",
        solution: "Allow the managed machines' addresses only, and update the master.",
        control: "A publisher and a router without security must both be there; one of them alone is not reported.",
        judge: salt,
        ..Row::BASE
    },
    Row {
        id: "JV-01",
        title: "A Java debug port can be reached",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "The debug protocol asks nobody who he is and runs any code in the program.",
        impact: "The program and what it may do are lost.",
        solution: "Switch debugging off in production; bind it to 127.0.0.1.",
        control: "The service is recognised by its echo of the JDWP handshake; an open port alone is not reported.",
        judge: |s| s.reached(&["jdwp"]),
        ..Row::BASE
    },
    Row {
        id: "JV-02",
        title: "A Java RMI registry can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        threat: "The registry lists objects that strangers may call, and reads serialized objects from them.",
        impact: "Often a way to run code in the program, by JMX or by unsafe serialization.",
        solution: "Close the port at the edge; require authentication and filters for serialization.",
        control: "The service is recognised by its acknowledgement of the protocol; an open port alone is not \
            reported.",
        judge: |s| s.reached(&["rmi"]),
        ..Row::BASE
    },
    Row {
        id: "JV-03",
        title: "An AJP connector can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["CVE-2020-1938"],
        threat: "The connector trusts whoever connects as if it were the own web server in front.",
        impact: "Requests can be forged; old versions give away files of the application. The version is not tested.",
        solution: "Bind the connector to 127.0.0.1 and set a secret, or switch it off.",
        control: "The service is recognised by its answer to CPing; an open port alone is not reported.",
        judge: |s| s.reached(&["ajp"]),
        ..Row::BASE
    },
    Row {
        id: "JV-04",
        title: "A T3 application server can be reached",
        severity: 5,
        kind: Kind::Potential,
        references: &["CVE-2020-14882"],
        threat: "The protocol reads serialized objects from strangers; several flaws of WebLogic needed no more.",
        impact: "On servers without the updates the host is lost. The update is not tested.",
        solution: "Filter T3 and IIOP by a connection filter, and install the quarterly updates.",
        judge: |s| s.reached(&["t3"]),
        ..Row::BASE
    },
];

fn docker(subject: &Subject<'_>, tls: bool) -> Answer {
    let service = subject.speaks(&["docker"])?;
    if service.service.as_ref().is_some_and(|s| s.tls) != tls {
        return Err(Verdict::NotApplicable);
    }
    subject.lets_in("docker")
}

fn kubernetes(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["kubernetes"])?;
    let known = subject.known_by()?;
    Ok(match service.facts.bool("kubernetes.auth_required") {
        Some(false) => Verdict::found_at(5, format!("{known}; no login was asked for")),
        Some(true) => Verdict::found(format!("{known}; a login is asked for")),
        None => Verdict::found(format!("{known}; whether a login is asked for was not learned")),
    })
}

/// Without TLS it is the port that only reads.
fn kubelet(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["kubelet"])?;
    let open = !subject.bool("kubelet.auth_required")?;
    let evidence = format!("{}; no login was asked for", subject.known_by()?);
    Ok(match (open, service.service.as_ref().is_some_and(|s| s.tls)) {
        (false, _) => Verdict::Clear,
        (true, true) => Verdict::found(evidence),
        (true, false) => Verdict::found_at(4, evidence),
    })
}

/// Sockets of ZeroMQ without security: the publisher and the router of a master.
fn salt(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let spoken = |s: &&ServiceEvidence| s.service.as_ref().is_some_and(|known| &*known.name == "zmtp");
    let sockets: Vec<&ServiceEvidence> = host.services.iter().filter(spoken).collect();
    let of = |kind: &str| {
        let is = |s: &&&ServiceEvidence| s.facts.text("zmtp.socket_type").is_some_and(|k| k.eq_ignore_ascii_case(kind));
        sockets.iter().find(is).filter(|s| s.facts.bool("zmtp.auth_required") == Some(false)).map(|s| s.port)
    };
    if sockets.len() < 2 {
        return Err(Verdict::NotApplicable);
    }
    let open = |s: &&&ServiceEvidence| s.facts.bool("zmtp.auth_required") != Some(true);
    if sockets.iter().filter(open).any(|s| s.facts.get("zmtp.socket_type").is_none()) {
        return Err(Verdict::not_tested("the kind of a ZeroMQ socket was not learned"));
    }
    Ok(match (of("PUB"), of("ROUTER")) {
        (Some(publisher), Some(router)) => {
            Verdict::found(format!("publisher on port {publisher}, router on port {router}, both without security"))
        }
        _ => Verdict::Clear,
    })
}
