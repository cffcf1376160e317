//! Figures: judging stored evidence, native and rhai. `cargo bench --bench judge -- 10000`
//!
//! Hosts of made-up evidence with a web service in TLS, SSH, SMTP and Redis each. Each line is the best of three;
//! ratios within one run are what counts.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program prints, and a failure of its own set-up ends it"
)]

mod best;

use std::sync::Arc;

use best::best;
use jiff::Timestamp;
use palisade::base::clock::SystemClock;
use palisade::base::limits::Limits;
use palisade::base::progress::{Silent, Stop};
use palisade::judge::check::{Check, Scope, native};
use palisade::judge::engine::{JudgeInput, Judged, judge};
use palisade::lang::job::Protocol;
use palisade::script::check::{CheckHost, builtin};
use palisade::service::evidence::{Fact, Facts, HostEvidence, Recognised, ServiceEvidence};

fn service(name: &str, tls: bool, port: u16, now: Timestamp, facts: Vec<(&str, Fact)>) -> ServiceEvidence {
    let mut all = Facts::default();
    for (path, fact) in facts {
        all.set(path, fact);
    }
    let known = Recognised { name: name.into(), tls, how: "its behaviour".into(), product: None, version: None };
    ServiceEvidence {
        port,
        protocol: Protocol::Tcp,
        service: Some(known),
        facts: all,
        extracts: Vec::new(),
        untested: Vec::new(),
        span: (now, now),
    }
}

fn list(items: &[&str]) -> Fact {
    Fact::List(items.iter().map(|s| (*s).to_owned()).collect())
}

fn host(n: usize, now: Timestamp) -> HostEvidence {
    let text = |t: &str| Fact::Text(t.to_owned());
    let mut facts = Facts::default();
    facts.set("host.state", "up");
    facts.set("ports.tcp.asked", "1-1000");
    facts.set("ports.tcp.open", vec!["22".to_owned(), "25".into(), "443".into(), "6379".into()]);
    facts.set("ports.counts.open", 4);
    facts.set("ports.counts.closed", 996);
    facts.set("tcp.ttl", 57);
    let soon = n.is_multiple_of(10);
    let until: Timestamp = if soon { "2026-06-10T00:00:00Z" } else { "2027-06-01T00:00:00Z" }.parse().unwrap();
    let versions = if n.is_multiple_of(5) { list(&["TLS 1.0", "TLS 1.2"]) } else { list(&["TLS 1.2", "TLS 1.3"]) };
    let web = vec![
        ("tls.versions", versions),
        ("tls.suites", list(&["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"])),
        ("tls.control.refused", Fact::Bool(true)),
        ("tls.certificate.subject", text("CN=www.example.com")),
        ("tls.certificate.names", list(&["www.example.com", "example.com"])),
        ("tls.certificate.not_before", Fact::Date("2026-01-01T00:00:00Z".parse().unwrap())),
        ("tls.certificate.not_after", Fact::Date(until)),
        ("tls.certificate.key_type", text("RSA")),
        ("tls.certificate.key_bits", Fact::Int(2048)),
        ("tls.certificate.fingerprint", text("00112233445566778899aabbccddeeff")),
        ("http.status", Fact::Int(200)),
        ("http.header.server", text("nginx/1.24.0")),
        ("http.header.content-type", text("text/html")),
        ("http.title", text("Example")),
    ];
    let ssh = vec![
        ("ssh.identification", text("SSH-2.0-OpenSSH_9.6p1")),
        ("ssh.protocol", text("2.0")),
        ("ssh.kex", list(&["curve25519-sha256", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256"])),
        ("ssh.ciphers", list(&["chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-gcm@openssh.com"])),
        ("ssh.macs", list(&["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512"])),
        ("ssh.host_keys", list(&["ssh-ed25519", "rsa-sha2-512"])),
        ("ssh.strict_kex", Fact::Bool(true)),
    ];
    HostEvidence {
        asset: format!("i-{n:08x}").into(),
        addr: std::net::Ipv4Addr::from(0xc612_0000u32 + n as u32).into(),
        name: None,
        facts,
        services: vec![
            service("ssh", false, 22, now, ssh),
            service(
                "smtp",
                false,
                25,
                now,
                vec![("smtp.banner", text("220 mail.example.com ESMTP")), ("smtp.starttls", Fact::Bool(true))],
            ),
            service("http", true, 443, now, web),
            service("redis", false, 6379, now, vec![("redis.auth_required", Fact::Bool(true))]),
        ],
        unattributed: false,
    }
}

fn run(hosts: &[HostEvidence], checks: &[Arc<dyn Check>], threads: usize, now: Timestamp) -> Judged {
    judge(&JudgeInput { hosts, checks, now, threads, progress: &Silent, stop: &Stop::default() })
}

/// Peak resident memory in MB, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

fn line(what: &str, hosts: &[HostEvidence], checks: &[Arc<dyn Check>], threads: usize, now: Timestamp) {
    let of = |scope| checks.iter().filter(|c| c.info().scope == scope).count();
    let services: usize = hosts.iter().map(|h| h.services.len()).sum();
    let calls = of(Scope::Host) * hosts.len() + of(Scope::Service) * services;
    let (took, judged) = best(|| run(hosts, checks, threads, now));
    println!(
        "{what:<34} {:>4} checks {:>8.1} ms  {:>11.0} checks/s  {:>8.0} hosts/s  {:>7} findings",
        checks.len(),
        took.as_secs_f64() * 1e3,
        calls as f64 / took.as_secs_f64(),
        hosts.len() as f64 / took.as_secs_f64(),
        judged.findings.len()
    );
}

fn main() {
    let n: usize = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(10_000);
    let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let hosts: Vec<HostEvidence> = (0..n).map(|i| host(i, now)).collect();
    println!("{n} hosts of evidence, {} MB so far", peak().unwrap_or(0));
    let native = native();
    let scripts = builtin(&CheckHost::new(&Limits::default(), Arc::new(SystemClock::default()))).checks;
    let all: Vec<Arc<dyn Check>> = native.iter().chain(&scripts).cloned().collect();
    line("native, 1 thread", &hosts, &native, 1, now);
    line("rhai, 1 thread", &hosts, &scripts, 1, now);
    line("all, 1 thread", &hosts, &all, 1, now);
    line("all, 2 threads", &hosts, &all, 2, now);
    println!("peak memory {} MB", peak().unwrap_or(0));
}
