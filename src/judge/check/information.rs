//! Information gathered, the twelve items of the guide's sample (rule K10) and the UDP list: what a scan shows of a host
//! without any fault being meant.

use super::{Answer, Kind, Row, Scope, Subject, Verdict};
use crate::judge::randomness::{IpIds, Sequence, ip_ids, sequence, uptime};
use crate::lang::job::Protocol;
use crate::service::evidence::{Facts, HostEvidence};

const HOST: Row = Row {
    kind: Kind::Information,
    scope: Scope::Host,
    impact: "None by itself; it helps somebody who prepares an attack.",
    ..Row::BASE
};
const SERVICE: Row = Row { scope: Scope::Service, ..HOST };

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "IG-01",
        title: "DNS Host Name",
        references: &["RFC 1035"],
        threat: "The name of an address tells what it serves and for whom.",
        solution: "Keep names that must not be known out of public zones.",
        judge: dns_name,
        ..HOST
    },
    Row {
        id: "IG-02",
        title: "Host Names Found",
        references: &["RFC 9525"],
        threat: "Names in certificates, greetings and redirects lead to further hosts.",
        solution: "Use certificates and greetings that name public names only.",
        judge: names,
        ..HOST
    },
    Row {
        id: "IG-03",
        title: "Open TCP Services List",
        references: &["RFC 9293"],
        threat: "Each open port is a program that strangers may talk to.",
        solution: "Close what nobody needs, and write down the rest as expected exposure in a policy.",
        judge: open_tcp,
        ..HOST
    },
    Row {
        id: "IG-04",
        title: "Open UDP Services List",
        references: &["RFC 768"],
        threat: "UDP services answer whoever the datagram says it is from, and can be made to send to third parties.",
        solution: "Close what nobody needs, and write down the rest as expected exposure in a policy.",
        judge: open_udp,
        ..HOST
    },
    Row {
        id: "IG-05",
        title: "ICMP Replies Received",
        references: &["RFC 792", "RFC 4443"],
        threat: "Replies show that the host is there; timestamp replies show its clock.",
        solution: "Allow echo where monitoring needs it, and drop timestamp requests at the edge.",
        judge: icmp,
        ..HOST
    },
    Row {
        id: "IG-06",
        title: "Host Uptime Based on TCP TimeStamp Option",
        severity: 2,
        references: &["RFC 7323"],
        threat: "The time since the last start tells which updates cannot be in effect yet.",
        solution: "Use a stack that begins timestamps at a random offset.",
        judge: host_uptime,
        ..HOST
    },
    Row {
        id: "IG-07",
        title: "Degree of Randomness of TCP Initial Sequence Numbers",
        references: &["RFC 6528", "CVE-1999-0077"],
        threat: "Somebody who can guess the next number can forge a connection in another's name.",
        solution: "Update the stack; current systems choose numbers as RFC 6528 says.",
        judge: initial_numbers,
        ..HOST
    },
    Row {
        id: "IG-08",
        title: "IP ID Values Randomness",
        references: &["RFC 6864", "RFC 7739"],
        threat: "A shared counter tells how much the host sends, and lets others be scanned through it.",
        solution: "Update the stack; current systems send zero or values that cannot be foretold.",
        judge: ip_identification,
        ..HOST
    },
    Row {
        id: "IG-09",
        title: "Firewall Detected",
        references: &["RFC 1812 section 5.3.9"],
        threat: "Some ports answer and others stay silent: something in front of the host chooses.",
        solution: "None needed. Make sure that what passes is what the policy expects.",
        judge: firewall,
        ..HOST
    },
    Row {
        id: "IG-10",
        title: "Host Scan Time",
        threat: "None: it says when and for how long the host was scanned, so that its logs can be compared.",
        solution: "None needed.",
        judge: scan_time,
        ..HOST
    },
    Row {
        id: "IG-11",
        title: "Remote Access or Management Service Detected",
        severity: 3,
        references: &["CISA BOD 23-02"],
        threat: "Log-in and management services that the internet can reach are tried all day with stolen passwords.",
        impact: "A guessed password or a flaw before the log-in gives the host away.",
        solution: "Reach them through a VPN, a bastion or a zero-trust proxy, and close the port to the internet.",
        judge: remote_access,
        ..HOST
    },
    Row {
        id: "IG-12",
        title: "SSH Banner",
        references: &["RFC 4253 section 4.2"],
        threat: "The banner names product and version.",
        solution: "None needed; keep the server up to date.",
        judge: ssh_banner,
        ..SERVICE
    },
    Row {
        id: "IG-25",
        title: "SSH Daemon Information",
        references: &["RFC 4253 section 7.1"],
        threat: "The lists show which algorithms a client may be led to.",
        solution: "None needed; the SSH checks say which entries are weak.",
        judge: ssh_daemon,
        ..SERVICE
    },
];

fn dns_name(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let forward =
        host.facts.list("dns.forward").map(|f| format!(", which leads to {}", f.join(", "))).unwrap_or_default();
    match (host.facts.text("dns.ptr"), &host.name) {
        (Some(""), None) => Ok(Verdict::Clear),
        (None | Some(""), Some(name)) => {
            Ok(Verdict::found(format!("{} is {name} in the inventory{forward}", host.addr)))
        }
        (Some(pointer), _) => Ok(Verdict::found(format!("{} points to {pointer}{forward}", host.addr))),
        (None, None) => Err(subject.not_learned("dns.ptr")),
    }
}

/// Names with where they were seen, each once.
fn names(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, source: String| {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.contains('.') && name.parse::<std::net::IpAddr>().is_err() && !found.iter().any(|(n, _)| *n == name) {
            found.push((name, source));
        }
    };
    if let Some(name) = &host.name {
        add(name, "inventory".into());
    }
    for entry in host.facts.list("names").unwrap_or_default() {
        let (source, name) = entry.split_once(':').unwrap_or(("seen", entry));
        add(name, source.into());
    }
    for service in &host.services {
        for name in service.facts.list("tls.certificate.names").unwrap_or_default() {
            add(name, format!("certificate, port {}", service.port));
        }
        for place in service.facts.list("http.redirects").unwrap_or_default() {
            add(host_of(place), format!("redirect, port {}", service.port));
        }
        if let Some(greeting) = service.facts.text("smtp.banner") {
            let word = greeting.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ' || c == '-');
            add(word.split_whitespace().next().unwrap_or(""), format!("greeting, port {}", service.port));
        }
    }
    let told: Vec<String> = found.iter().map(|(name, source)| format!("{name} ({source})")).collect();
    Ok(Verdict::when(!told.is_empty(), || told.join(", ")))
}

/// The host of an absolute address; nothing for a relative one.
fn host_of(place: &str) -> &str {
    let Some((_, rest)) = place.split_once("://") else { return "" };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.starts_with('[') { "" } else { host.split(':').next().unwrap_or("") }
}

/// Open ports of a transport: as scanned, with what was recognised on them.
fn open(subject: &Subject<'_>, protocol: Protocol, path: &str) -> Answer {
    let host = subject.on_host()?;
    let known = |port: u16| host.services.iter().find(|s| s.port == port && s.protocol == protocol);
    let mut ports: Vec<u16> = host.services.iter().filter(|s| s.protocol == protocol).map(|s| s.port).collect();
    match host.facts.list(path) {
        Some(listed) => ports.extend(listed.iter().filter_map(|p| p.parse::<u16>().ok())),
        None if ports.is_empty() => return Err(subject.not_learned(path)),
        None => {}
    }
    ports.sort_unstable();
    ports.dedup();
    let told: Vec<String> = ports
        .into_iter()
        .map(|port| match known(port).and_then(|s| s.service.as_ref()) {
            Some(known) if known.tls => format!("{port} {} over TLS ({})", known.name, known.how),
            Some(known) => format!("{port} {} ({})", known.name, known.how),
            None => format!("{port} not recognised"),
        })
        .collect();
    Ok(Verdict::when(!told.is_empty(), || told.join(", ")))
}

fn open_tcp(subject: &Subject<'_>) -> Answer {
    open(subject, Protocol::Tcp, "ports.tcp.open")
}

fn open_udp(subject: &Subject<'_>) -> Answer {
    open(subject, Protocol::Udp, "ports.udp.open")
}

fn icmp(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let (echo, timestamp) = (host.facts.bool("icmp.echo"), host.facts.bool("icmp.timestamp"));
    if echo.is_none() && timestamp.is_none() {
        return Err(subject.not_learned("icmp.echo"));
    }
    let mut seen = Vec::new();
    if echo == Some(true) {
        let ttl = host.facts.int("icmp.ttl").map(|t| format!(", time to live {t}")).unwrap_or_default();
        seen.push(format!("echo reply{ttl}"));
    }
    if timestamp == Some(true) {
        seen.push("timestamp reply".into());
    }
    Ok(Verdict::listed("replies", &seen))
}

fn host_uptime(subject: &Subject<'_>) -> Answer {
    let pairs: Vec<(u64, u32)> = subject
        .list("tcp.timestamps")?
        .iter()
        .filter_map(|p| p.split_once(':'))
        .filter_map(|(at, value)| Some((at.parse().ok()?, value.parse().ok()?)))
        .collect();
    let clock = uptime(&pairs).map_err(Verdict::not_tested)?;
    let told = |seconds: u64| match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, minutes) => format!("{minutes} minutes"),
        (0, hours, minutes) => format!("{hours} hours {minutes} minutes"),
        (days, hours, _) => format!("{days} days {hours} hours"),
    };
    Ok(Verdict::found(format!(
        "{}, or as much and a multiple of {}, if the clock began with the last start and not at a random offset for \
         each peer ({} ticks a second, {} timestamps)",
        told(clock.seconds),
        told(clock.round),
        clock.rate,
        pairs.len()
    )))
}

fn numbers<T: std::str::FromStr>(subject: &Subject<'_>, path: &str) -> Result<Vec<T>, Verdict> {
    Ok(subject.list(path)?.iter().filter_map(|n| n.parse().ok()).collect())
}

fn initial_numbers(subject: &Subject<'_>) -> Answer {
    let numbers = numbers::<u32>(subject, "tcp.isn")?;
    let class = sequence(&numbers).ok_or_else(|| Verdict::not_tested("fewer than four sequence numbers were seen"))?;
    Ok(match class {
        Sequence::Constant => {
            Verdict::found_at(3, format!("all {} are {}", numbers.len(), numbers.first().unwrap_or(&0)))
        }
        Sequence::Stepping { step, bits } => Verdict::found_at(
            3,
            format!("{} numbers rise by about {step}; {bits} bits remain to be guessed", numbers.len()),
        ),
        Sequence::Random { bits } => {
            Verdict::found(format!("no step is to be seen in {} numbers; their spread has {bits} bits", numbers.len()))
        }
    })
}

fn ip_identification(subject: &Subject<'_>) -> Answer {
    let ids = numbers::<u16>(subject, "ip.ids")?;
    let class = ip_ids(&ids).ok_or_else(|| Verdict::not_tested("fewer than four IP ids were seen"))?;
    let told = match class {
        IpIds::Zero => "always zero".to_owned(),
        IpIds::Constant => format!("always {}", ids.first().unwrap_or(&0)),
        IpIds::Counter { step } => format!("a counter: {} ids, steps of at most {step}", ids.len()),
        IpIds::Random => format!("no order is to be seen in {} ids", ids.len()),
    };
    Ok(Verdict::found(told))
}

fn firewall(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let count = |state: &str| host.facts.int(&format!("ports.counts.{state}"));
    if !host.facts.any_under("ports.counts.") {
        return Err(subject.not_learned("ports.counts.filtered"));
    }
    let (open, closed) = (count("open").unwrap_or(0), count("closed").unwrap_or(0));
    let filtered = count("filtered").unwrap_or(0);
    Ok(Verdict::when(filtered > 0 && open + closed > 0, || {
        format!("{filtered} ports are silent or forbidden, {open} open, {closed} closed")
    }))
}

fn scan_time(subject: &Subject<'_>) -> Answer {
    let (from, to) = (subject.date("scan.started")?, subject.date("scan.finished")?);
    let host = subject.on_host()?;
    let seconds = to.as_second().saturating_sub(from.as_second());
    let packets = host.facts.int("scan.packets").map(|n| format!(", {n} packets")).unwrap_or_default();
    let loss = host.facts.text("scan.loss").map(|l| format!(", loss {l}")).unwrap_or_default();
    Ok(Verdict::found(format!("{seconds} seconds, from {from} to {to}{packets}{loss}")))
}

/// Services that are made for logging in or for managing.
pub(in crate::judge) const REMOTE: &[&str] = &[
    "ssh",
    "telnet",
    "rdp",
    "vnc",
    "winrm",
    "rsh",
    "rlogin",
    "rexec",
    "x11",
    "adb",
    "snmp",
    "ipmi",
    "docker",
    "kubernetes",
    "kubelet",
    "jdwp",
    "rmi",
];

fn remote_access(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let name = |s: &crate::service::evidence::ServiceEvidence| s.service.as_ref().map(|k| k.name.to_string());
    let found: Vec<String> = host
        .services
        .iter()
        .filter_map(|s| Some((s, name(s).filter(|n| REMOTE.contains(&n.as_str()))?)))
        .map(|(s, name)| format!("{name} on {}/{}", s.port, s.protocol.as_str()))
        .collect();
    if !found.is_empty() {
        return Ok(Verdict::found(found.join(", ")));
    }
    match unrecognised(host) {
        0 => Ok(Verdict::Clear),
        n => Ok(Verdict::not_tested(format!("{n} open ports were not recognised"))),
    }
}

/// Open TCP ports of which nobody knows what answers.
fn unrecognised(host: &HostEvidence) -> usize {
    let known = |port: &str| {
        host.services.iter().any(|s| s.service.is_some() && s.port.to_string() == port && s.protocol == Protocol::Tcp)
    };
    match host.facts.list("ports.tcp.open") {
        Some(open) => open.iter().filter(|p| !known(p)).count(),
        None => host.services.iter().filter(|s| s.service.is_none()).count(),
    }
}

fn ssh_banner(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["ssh"])?;
    Ok(Verdict::found(subject.text("ssh.identification")?))
}

fn ssh_daemon(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["ssh"])?;
    let lists = ["ssh.kex", "ssh.host_keys", "ssh.ciphers", "ssh.macs", "ssh.compression"];
    let mut told: Vec<String> =
        lists.iter().filter_map(|p| Some(format!("{p}: {}", service.facts.list(p)?.join(", ")))).collect();
    told.extend(fingerprints(&service.facts));
    if told.is_empty() {
        return Err(subject.not_learned("ssh.kex"));
    }
    Ok(Verdict::found(told.join("; ")))
}

fn fingerprints(facts: &Facts) -> impl Iterator<Item = String> {
    facts.iter().filter(|(path, _)| path.starts_with("ssh.fingerprint.")).filter_map(|(path, _)| {
        let kind = path.trim_start_matches("ssh.fingerprint.");
        Some(format!("{kind} key {}", facts.text(path)?))
    })
}
