//! Services over UDP: those that answer strangers, and those that answer with more than they were asked.

use super::{Answer, Kind, Row, Subject, Verdict};
use crate::lang::job::Consent;

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "UD-01",
        title: "NTP answers control queries",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 9327"],
        threat: "Mode 6 tells versions, peers and the system, in answers larger than the question.",
        impact: "The host takes part in attacks on others, at the cost of its own line.",
        solution: "Allow mode 6 from own addresses only (restrict … noquery).",
        control: "The answer must carry our sequence number; a server that only tells the time is not reported.",
        judge: control_queries,
        ..Row::BASE
    },
    Row {
        id: "UD-02",
        title: "NTP gives away the list of its clients",
        severity: 4,
        kind: Kind::Confirmed,
        consent: Consent::Odd,
        references: &["CVE-2013-5211"],
        threat: "One small datagram with a forged sender brings up to a hundred answers to whoever is named as the \
            sender.",
        impact: "The host takes part in attacks on others, at the cost of its own line. The clients' addresses are \
            disclosed.",
        solution: "Update ntpd to 4.2.7p26 or later, or set `disable monitor`.",
        control: "Only the first answer is read; a server that stays silent or refuses is not reported.",
        judge: monitor_list,
        ..Row::BASE
    },
    Row {
        id: "UD-03",
        title: "SNMP answers the community `public`",
        severity: 4,
        kind: Kind::Confirmed,
        consent: Consent::Auth,
        references: &["CVE-1999-0517"],
        threat: "Anybody reads the tables of the device: interfaces, addresses, programs.",
        impact: "It prepares an attack in full; with a writable community the device is lost.",
        solution: "Use SNMPv3 with authentication and privacy; close port 161 at the edge.",
        control: "Silence to the same request is not reported; one value is read and nothing is written.",
        judge: community,
        ..Row::BASE
    },
    Row {
        id: "UD-04",
        title: "SNMP version 3 shows its engine",
        severity: 1,
        references: &["RFC 3414"],
        threat: "The engine id tells the maker and often the hardware address.",
        impact: "None by itself; it helps somebody who prepares an attack.",
        solution: "Close port 161 at the edge.",
        judge: engine,
        ..Row::BASE
    },
    Row {
        id: "UD-05",
        title: "SSDP answers strangers",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["UPnP Device Architecture"],
        threat: "The service is meant for the own network; its answers are larger than the question and can be aimed \
            at third parties.",
        impact: "The host takes part in attacks on others, at the cost of its own line. Devices behind can be found \
            and sometimes driven.",
        solution: "Close port 1900 at the edge; switch UPnP off.",
        control: "The answer must come from the address that was asked; silence is not reported.",
        judge: |s| s.reached(&["ssdp"]),
        ..Row::BASE
    },
    Row {
        id: "UD-06",
        title: "A small service of old answers strangers",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["RFC 864", "CVE-1999-0103"],
        threat: "chargen, echo, qotd and daytime answer any datagram; two of them can be set to talk to each other \
            for ever.",
        impact: "The host takes part in attacks on others, at the cost of its own line.",
        solution: "Switch the services off.",
        control: "The service is recognised by what it answers; an open port alone is not reported.",
        judge: |s| s.reached(&["chargen", "echo", "qotd", "daytime"]),
        ..Row::BASE
    },
    Row {
        id: "UD-07",
        title: "mDNS answers from outside",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 6762 section 5.5", "VU#550620"],
        threat: "The service is meant for the own link; it tells names and services, in answers that can be aimed at \
            third parties.",
        impact: "The host takes part in attacks on others, at the cost of its own line.",
        solution: "Close port 5353 at the edge.",
        control: "The answer must carry our question; silence is not reported.",
        judge: |s| s.reached(&["mdns"]),
        ..Row::BASE
    },
    Row {
        id: "UD-08",
        title: "SLP answers strangers",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["CVE-2023-29552"],
        threat: "Strangers can register services and then have an answer many times the size of the question sent to \
            others.",
        impact: "The host takes part in attacks on others, at the cost of its own line.",
        solution: "Close port 427 at the edge; switch SLP off, on hypervisors above all.",
        control: "The reply must carry our transaction number; silence is not reported.",
        judge: |s| s.reached(&["slp"]),
        ..Row::BASE
    },
    Row {
        id: "UD-09",
        title: "WS-Discovery answers strangers",
        severity: 3,
        kind: Kind::Confirmed,
        threat: "The service is meant for the own network; its answers are larger than the question and can be aimed \
            at third parties.",
        impact: "The host takes part in attacks on others, at the cost of its own line.",
        solution: "Close port 3702 at the edge.",
        control: "The answer must relate to our message number; silence is not reported.",
        judge: |s| s.reached(&["wsd"]),
        ..Row::BASE
    },
    Row {
        id: "UD-10",
        title: "CoAP answers strangers",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 7252"],
        threat: "The device lists its resources to anybody, in answers that can be aimed at third parties.",
        impact: "Sensors are read and perhaps driven by strangers.",
        solution: "Use DTLS, and close port 5683 at the edge.",
        control: "The answer must carry our token; silence is not reported.",
        judge: |s| s.reached(&["coap"]),
        ..Row::BASE
    },
    Row {
        id: "UD-12",
        title: "An IKE gateway can be reached",
        severity: 1,
        references: &["RFC 7296", "RFC 8247"],
        threat: "The gateway answers strangers; its proposals tell the product.",
        impact: "None by itself; flaws in gateways are used soon after they are known.",
        solution: "Keep the gateway up to date; allow known peers where they have fixed addresses.",
        judge: |s| s.reached(&["ike"]),
        ..Row::BASE
    },
    Row {
        id: "UD-13",
        title: "IPMI can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["CVE-2013-4786", "CVE-2013-4782"],
        threat: "The management controller takes log-ins, and by design of IPMI 2.0 hands a hash of the password to \
            whoever asks.",
        impact: "A guessed password gives power switch, console and disks of the machine.",
        solution: "Put management controllers into a network of their own; never on a public address.",
        control: "The answer must be the reply to our capabilities request; silence is not reported. Severity 5 where a \
            session without protection was opened, which is asked for with consent for what is odd.",
        judge: ipmi,
        ..Row::BASE
    },
    Row {
        id: "UD-14",
        title: "SIP answers strangers",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 3261"],
        threat: "Strangers try extensions and passwords all day.",
        impact: "Calls at the owner's cost, and disclosure of who calls whom.",
        solution: "Allow the addresses of the own providers and users only, and use TLS.",
        control: "The answer must carry our Call-ID; silence is not reported.",
        judge: |s| s.reached(&["sip"]),
        ..Row::BASE
    },
    Row {
        id: "UD-15",
        title: "PPTP or L2TP can be reached",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 2637", "RFC 2661"],
        threat: "PPTP protects nothing by today's measure; L2TP without IPsec protects nothing at all.",
        impact: "Passwords and sessions can be recovered by somebody on the way.",
        solution: "Use IKEv2, OpenVPN or WireGuard.",
        control: "The service is recognised by its control reply; an open port alone is not reported.",
        judge: |s| s.reached(&["pptp", "l2tp"]),
        ..Row::BASE
    },
    Row {
        id: "UD-16",
        title: "STUN answers strangers",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 8489"],
        threat: "A datagram with a forged sender brings an answer to whoever is named as the sender.",
        impact: "The host takes part in attacks on others, at the cost of its own line.",
        solution: "Limit the rate of answers; require authentication for relays.",
        control: "The answer must carry our transaction number; silence is not reported.",
        judge: |s| s.reached(&["stun"]),
        ..Row::BASE
    },
];

fn control_queries(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["ntp"])?;
    Ok(Verdict::when(subject.bool("ntp.control")?, || "a mode 6 query was answered".into()))
}

fn monitor_list(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["ntp"])?;
    Ok(Verdict::when(subject.bool("ntp.monlist")?, || "a mode 7 monitor list was answered".into()))
}

fn engine(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["snmp"])?;
    Ok(Verdict::found(format!("engine id {}", subject.text("snmp.engine")?)))
}

fn community(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["snmp"])?;
    let told = service.facts.text("snmp.description").map(|d| format!(": {d}")).unwrap_or_default();
    Ok(Verdict::when(subject.bool("snmp.public")?, || format!("the community `public` was answered{told}")))
}

/// What makes it worse: a session without protection, and logins without a name or a password.
fn ipmi(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["ipmi"])?;
    let on = |path: &str| service.facts.bool(path) == Some(true);
    let worse = [
        ("ipmi.cipher_zero", "a session without any protection was opened"),
        ("ipmi.anonymous_login", "a login without name and password is on"),
        ("ipmi.null_users", "users without a name are on"),
    ];
    let told: Vec<&str> = worse.iter().filter(|(path, _)| on(path)).map(|(_, words)| *words).collect();
    let known = subject.known_by()?;
    let open = on("ipmi.cipher_zero") || on("ipmi.anonymous_login");
    let evidence = if told.is_empty() { known } else { format!("{known}; {}", told.join("; ")) };
    Ok(if open { Verdict::found_at(5, evidence) } else { Verdict::found(evidence) })
}
