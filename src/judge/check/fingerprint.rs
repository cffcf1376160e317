//! Information gathered beyond the guide's sample: what the host and its services look like, and what is in front.

use super::{Answer, Hit, Kind, Row, Scope, Subject, Verdict};
use crate::service::evidence::Facts;

const HOST: Row = Row {
    kind: Kind::Information,
    scope: Scope::Host,
    impact: "None by itself; it helps somebody who prepares an attack.",
    solution: "None needed.",
    ..Row::BASE
};
const SERVICE: Row = Row { scope: Scope::Service, ..HOST };

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "IG-13",
        title: "Operating System Guess",
        references: &["RFC 9293"],
        threat: "The kind of system tells which flaws are worth trying.",
        judge: system,
        ..HOST
    },
    Row {
        id: "IG-14",
        title: "Hop Distance",
        references: &["RFC 791 section 3.2"],
        threat: "The distance tells apart what looks like one host and is several.",
        judge: distance,
        ..HOST
    },
    Row {
        id: "IG-15",
        title: "Load Balancer in Front",
        threat: "Several machines answer as one; what one of them shows need not hold for all.",
        judge: balancer,
        ..SERVICE
    },
    Row {
        id: "IG-16",
        title: "Content Delivery Network or Web Application Firewall in Front",
        threat: "What was seen is the edge's; the origin behind it may be reachable by itself and look different.",
        solution: "Let the origin accept connections from the edge only.",
        judge: edge,
        ..SERVICE
    },
    Row {
        id: "IG-17",
        title: "Answers on Every Port",
        severity: 2,
        threat: "Something accepts connections on every port: a tarpit, a proxy or a load balancer. Open ports mean little here.",
        impact: "Findings that rest on an open port alone may be wrong.",
        solution: "Look behind it from inside, or exclude what it fakes from the profile.",
        judge: every_port,
        ..HOST
    },
    Row {
        id: "IG-18",
        title: "TLS Certificate",
        references: &["RFC 5280", "PCI DSS 4.0.1 4.2.1.1"],
        threat: "None: it is the inventory of certificates on public assets.",
        judge: certificate,
        ..SERVICE
    },
    Row {
        id: "IG-19",
        title: "TLS Versions, Suites and Groups Accepted",
        references: &["RFC 8446", "RFC 5246"],
        threat: "The lists show what a client may be led to.",
        solution: "None needed; the TLS checks say which entries are weak.",
        judge: tls_lists,
        ..SERVICE
    },
    Row {
        id: "IG-20",
        title: "Web Server Information",
        references: &["RFC 9110"],
        threat: "Headers, title and icon tell which product answers.",
        judge: web,
        ..SERVICE
    },
    Row {
        id: "IG-21",
        title: "Service Banner",
        threat: "The banner names product and version.",
        solution: "None needed; keep the product up to date.",
        judge: banner,
        ..SERVICE
    },
    Row {
        id: "IG-22",
        title: "Cloud Facts",
        threat: "None: it is what the inventory says about the asset.",
        judge: cloud,
        ..HOST
    },
    Row {
        id: "IG-23",
        title: "Ownership Evidence",
        threat: "None: it is how the scan knew that the address was yours while it was scanned.",
        judge: lease,
        ..HOST
    },
    Row {
        id: "IG-24",
        title: "TCP Options",
        references: &["RFC 9293 section 3.2", "RFC 7323"],
        threat: "Segment size and options hint at tunnels and at the kind of system.",
        judge: options,
        ..HOST
    },
];

/// Initial times to live that systems use, with who does.
const INITIAL: [(i64, &str); 4] = [
    (32, "old Windows or an embedded device"),
    (64, "Linux, BSD or macOS"),
    (128, "Windows"),
    (255, "a network device, or Solaris"),
];

fn ttl(subject: &Subject<'_>) -> Result<i64, Verdict> {
    subject.int("tcp.ttl").or_else(|_| subject.int("icmp.ttl")).map_err(|_| subject.not_learned("tcp.ttl"))
}

fn initial(ttl: i64) -> Option<(i64, &'static str)> {
    INITIAL.into_iter().find(|(initial, _)| ttl <= *initial && ttl > 0)
}

fn system(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let ttl = ttl(subject)?;
    let Some((began, who)) = initial(ttl) else { return Ok(Verdict::Clear) };
    let mut features = vec![format!("time to live {ttl}, began at {began}")];
    features.extend(host.facts.int("tcp.window").map(|w| format!("window {w}")));
    features.extend(host.facts.text("tcp.options").map(|o| format!("options {o}")));
    Ok(Verdict::found(format!("looks like {who}, a guess from: {}", features.join("; "))))
}

fn distance(subject: &Subject<'_>) -> Answer {
    let ttl = ttl(subject)?;
    let Some((began, _)) = initial(ttl) else { return Ok(Verdict::Clear) };
    Ok(Verdict::found(format!("{} hops, if the time to live began at {began} (arrived with {ttl})", began - ttl)))
}

/// Cookies by which a balancer keeps a client on one machine; a `*` ends the name.
const COOKIES: &[(&str, &str)] = &[
    ("AWSALB", "AWS application load balancer"),
    ("AWSELB", "AWS classic load balancer"),
    ("ARRAffinity", "Azure application gateway or app service"),
    ("ApplicationGatewayAffinity", "Azure application gateway"),
    ("GCLB", "Google Cloud load balancer"),
    ("BIGipServer", "F5 BIG-IP"),
    ("SERVERID", "HAProxy"),
];

fn balancer(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["http"])?;
    subject.int("http.status")?;
    let Some(cookie) = service.facts.text("http.header.set-cookie") else { return Ok(Verdict::Clear) };
    let known = COOKIES.iter().find(|(name, _)| cookie.split([';', ',']).any(|c| c.trim_start().starts_with(name)));
    Ok(match known {
        Some((name, who)) => Verdict::found(format!("cookie {name}: {who}")),
        None => Verdict::Clear,
    })
}

/// Headers that edges add.
const EDGES: &[(&str, &str)] = &[
    ("http.header.cf-ray", "Cloudflare"),
    ("http.header.x-amz-cf-id", "Amazon CloudFront"),
    ("http.header.x-azure-ref", "Azure Front Door"),
    ("http.header.x-fastly-request-id", "Fastly"),
    ("http.header.x-akamai-transformed", "Akamai"),
    ("http.header.x-sucuri-id", "Sucuri"),
    ("http.header.x-iinfo", "Imperva"),
];

/// Whether the answer carries the mark of an edge.
pub(super) fn is_edge(facts: &Facts) -> bool {
    EDGES.iter().any(|(path, _)| facts.get(path).is_some())
}

fn edge(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["http"])?;
    subject.int("http.status")?;
    let seen: Vec<String> = EDGES
        .iter()
        .filter(|(path, _)| service.facts.get(path).is_some())
        .map(|(path, who)| format!("{who} ({})", path.trim_start_matches("http.header.")))
        .collect();
    Ok(Verdict::listed("edge", &seen))
}

fn every_port(subject: &Subject<'_>) -> Answer {
    let every = subject.bool("ports.all_open")?;
    let saved = subject.int("ports.saved").ok().filter(|n| *n > 0);
    let saved = saved.map(|n| format!("; {n} probes were saved")).unwrap_or_default();
    Ok(Verdict::when(every, || format!("ports that nothing uses accepted connections too{saved}")))
}

/// `what: value` for each fact that is there.
fn told(facts: &Facts, paths: &[(&str, &str)]) -> Vec<String> {
    let text = |path: &str| match facts.get(path)? {
        crate::service::evidence::Fact::Bool(v) => Some(v.to_string()),
        crate::service::evidence::Fact::Int(v) => Some(v.to_string()),
        crate::service::evidence::Fact::Text(v) => Some(v.clone()),
        crate::service::evidence::Fact::Date(v) => Some(v.to_string()),
        crate::service::evidence::Fact::List(v) => Some(v.join(", ")),
    };
    paths.iter().filter_map(|(path, what)| Some(format!("{what} {}", text(path)?))).collect()
}

fn certificate(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks_tls()?;
    subject.text("tls.certificate.subject")?;
    let paths = [
        ("tls.certificate.subject", "subject"),
        ("tls.certificate.issuer", "issuer"),
        ("tls.certificate.names", "names"),
        ("tls.certificate.not_before", "from"),
        ("tls.certificate.not_after", "to"),
        ("tls.certificate.key_type", "key"),
        ("tls.certificate.key_bits", "bits"),
        ("tls.certificate.signature", "signature"),
        ("tls.certificate.serial", "serial"),
        ("tls.certificate.fingerprint", "fingerprint"),
    ];
    Ok(Verdict::found(told(&service.facts, &paths).join("; ")))
}

fn tls_lists(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks_tls()?;
    subject.list("tls.versions")?;
    let paths =
        [("tls.versions", "versions"), ("tls.suites", "suites"), ("tls.groups", "groups"), ("tls.alpn", "protocols")];
    Ok(Verdict::found(told(&service.facts, &paths).join("; ")))
}

fn web(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["http"])?;
    subject.int("http.status")?;
    let paths = [
        ("http.status", "status"),
        ("http.version", "version"),
        ("http.header.server", "server"),
        ("http.header.x-powered-by", "powered by"),
        ("http.title", "title"),
        ("http.icon_hash", "icon"),
        ("http.redirects", "redirects to"),
    ];
    Ok(Verdict::found(told(&service.facts, &paths).join("; ")))
}

/// One hit a banner; SSH's and the web's have items of their own.
fn banner(subject: &Subject<'_>) -> Answer {
    let service = subject.on_service()?;
    let facts = service.facts.iter().filter(|(path, _)| path.ends_with(".banner"));
    let mut hits: Vec<Hit> = facts
        .filter_map(|(path, _)| Some((path, service.facts.text(path)?)))
        .map(|(path, text)| Hit { evidence: text.trim().into(), key: path.into(), ..Hit::default() })
        .collect();
    if hits.is_empty() && service.service.is_none() {
        let first = service.extracts.iter().find(|e| e.what == "banner");
        hits.extend(first.map(|e| Hit { evidence: e.bytes.escape_ascii().to_string(), ..Hit::default() }));
    }
    if hits.is_empty() { Err(Verdict::NotApplicable) } else { Ok(Verdict::Found(hits)) }
}

fn cloud(subject: &Subject<'_>) -> Answer {
    Ok(Verdict::listed("inventory", subject.list("cloud")?))
}

fn lease(subject: &Subject<'_>) -> Answer {
    Ok(Verdict::listed("confirmed", subject.list("lease")?))
}

fn options(subject: &Subject<'_>) -> Answer {
    let host = subject.on_host()?;
    let seen = told(&host.facts, &[("tcp.mss", "segment size"), ("tcp.options", "options"), ("tcp.window", "window")]);
    if seen.is_empty() { Err(subject.not_learned("tcp.options")) } else { Ok(Verdict::found(seen.join("; "))) }
}
