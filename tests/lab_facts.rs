//! What raw mode learns of hosts, against what is known of them: the information items of the guide (rule K10) on real
//! packets. Same namespaces and the same rules as `lab.rs`; the kernel of the targets is told how to behave.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;

use crate::cli::TempDir;
use crate::lab::Lab;

const HOST: u8 = 1;
/// Of this host every port leads to one listener.
const EVERY: u8 = 2;
/// Nobody is there.
const NOBODY: u8 = 3;
/// Reached over IPv6 alone.
const SIXTH: u8 = 4;
/// Behind a wall that lets one port through.
const WALLED: u8 = 5;

fn v4(host: u8) -> IpAddr {
    Ipv4Addr::new(198, 18, 7, host).into()
}

fn v6(host: u8) -> IpAddr {
    format!("fd00:18::7:{host}").parse().unwrap()
}

fn inventory() -> String {
    let access = |h: u8| {
        if h == SIXTH {
            format!(r#""ipv6AccessConfigs":[{{"externalIpv6":"{}"}}]"#, v6(h))
        } else {
            format!(r#""accessConfigs":[{{"natIP":"{}"}}]"#, v4(h))
        }
    };
    let instances: Vec<String> = [HOST, EVERY, NOBODY, SIXTH, WALLED]
        .iter()
        .map(|h| {
            format!(
                r#"{{"id":"{h}","name":"facts-{h}","status":"RUNNING",
                "zone":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a",
                "selfLink":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a/instances/facts-{h}",
                "machineType":"zones/us-central1-a/machineTypes/e2-small",
                "networkInterfaces":[{{"name":"nic0","networkIP":"10.0.0.{h}","network":"global/networks/default",{}}}]}}"#,
                access(*h),
            )
        })
        .collect();
    format!(r#"{{"kind":"compute#instanceList","items":[{}]}}"#, instances.join(","))
}

const JOB: &str = r#"
workspace { resolvers = ["127.0.0.1:53"] }

connector "lab" {
  provider = file
  path     = "inventory.json"
}

profile "facts" {
  tcp        = [22, 25, 80, 2001-2120]
  udp        = none
  ping       = [tcp(80)]
  dead_hosts = scan
  checks     = ["IG-*"]
  rate       = 5000/s
  per_host   = 2000/s
  retries    = 1
}

scan "facts" {
  connector = "lab"
  profile   = "facts"

  targets {
    where = gcp.compute.state: RUNNING
    ipv6  = true
  }
}
"#;

/// Serves one greeting, or an HTTP answer, to whoever connects, until the test ends.
fn serve(listener: TcpListener, greeting: &'static [u8]) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.write_all(greeting);
        }
    });
}

/// Wire form of a name. RFC 1035 3.1.
fn wire_name(name: &str) -> Vec<u8> {
    let mut wire: Vec<u8> = name.split('.').flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat()).collect();
    wire.push(0);
    wire
}

/// A name server for the two pointers and the address they lead back to.
fn name_server(socket: UdpSocket) {
    let host_name = wire_name("www.lab.example");
    let pointers = [
        wire_name("1.7.18.198.in-addr.arpa"),
        wire_name("4.0.0.0.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.1.0.0.0.0.d.f.ip6.arpa"),
    ];
    std::thread::spawn(move || {
        let mut bytes = [0u8; 1_500];
        while let Ok((len, from)) = socket.recv_from(&mut bytes) {
            let asked = bytes[12..len].to_ascii_lowercase();
            let end = asked.iter().position(|b| *b == 0).unwrap() + 1;
            let (name, kind) = (&asked[..end], u16::from_be_bytes([asked[end], asked[end + 1]]));
            let data: Option<Vec<u8>> = match kind {
                12 if pointers.iter().any(|p| p == name) => Some(host_name.clone()),
                1 if name == host_name => Some(vec![198, 18, 7, 1]),
                _ => None,
            };
            let known = data.is_some() || name == host_name;
            let mut reply = bytes[..2].to_vec();
            reply.extend([0x85, if known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
            reply.extend(&bytes[12..12 + end + 4]);
            if let Some(data) = data {
                reply.extend([0xc0, 12]);
                reply.extend([kind.to_be_bytes(), [0, 1], [0, 0], [0, 60], (data.len() as u16).to_be_bytes()].concat());
                reply.extend(data);
            }
            let _ = socket.send_to(&reply, from);
        }
    });
}

struct Site {
    lab: Lab,
    folder: TempDir,
}

/// A run's findings by address and check, and why checks had nothing to say.
struct Told {
    found: BTreeMap<(IpAddr, String), (u64, String)>,
    not_tested: Vec<(String, String)>,
    results: serde_json::Value,
    /// SYNs from the scan's own ports, echo requests, timestamp requests, as they arrived.
    arrived: [u64; 3],
}

impl Site {
    fn build(tag: &str) -> Option<Self> {
        let nft = Command::new("nft").arg("--version").output().is_ok_and(|o| o.status.success());
        let lab = Lab::build(tag).filter(|_| nft)?;
        let folder = TempDir::new(&format!("facts-{tag}"));
        fs::write(folder.0.join("inventory.json"), inventory()).unwrap();
        fs::write(folder.0.join("facts.pal"), JOB).unwrap();
        let site = Self { lab, folder };
        site.in_targets(&["sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1"]);
        // Addresses of this network exist only where they are given out: nobody answers for the third.
        site.in_targets(&["ip", "route", "add", "blackhole", "198.18.7.3/32", "table", "local"]);
        let rules = "table ip facts {
            chain every { type nat hook prerouting priority -100; ip daddr 198.18.7.2 tcp dport 1-65535 redirect to :9; }
            chain wall { type filter hook prerouting priority -300; ip daddr 198.18.7.5 tcp dport != 80 drop; }
        }";
        site.in_targets(&["nft", rules]);
        let listeners = Lab::inside(&site.lab.targets, || {
            let bind = |addr: IpAddr, port: u16| TcpListener::bind(SocketAddr::new(addr, port)).unwrap();
            let ssh = b"SSH-2.0-OpenSSH_9.9 lab\r\n".as_slice();
            let mail = b"220 mail.lab.example ESMTP\r\n".as_slice();
            let page =
                b"HTTP/1.1 302 Found\r\nLocation: https://shop.lab.example/\r\nContent-Length: 0\r\n\r\n".as_slice();
            [
                (bind(v4(HOST), 22), ssh),
                (bind(v4(HOST), 25), mail),
                (bind(v4(HOST), 80), page),
                (bind(v6(SIXTH), 80), page),
                (bind(v4(WALLED), 80), page),
                (bind("0.0.0.0".parse().unwrap(), 9), ssh),
            ]
        });
        listeners.into_iter().for_each(|(listener, greeting)| serve(listener, greeting));
        name_server(Lab::inside(&site.lab.scanner, || UdpSocket::bind("127.0.0.1:53").unwrap()));
        Some(site)
    }

    fn in_targets(&self, args: &[&str]) {
        let status = Command::new("ip").args(["netns", "exec", &self.lab.targets]).args(args).status().unwrap();
        assert!(status.success(), "{args:?}");
    }

    fn run(&self, mode: &str) -> Told {
        let file = self.folder.0.join(format!("{mode}.pcap"));
        let mut tcpdump = self.lab.capture(&file);
        let output = self
            .lab
            .in_scanner(Path::new(env!("CARGO_BIN_EXE_palisade")))
            .args(["run", "facts", "--format", "json", "--mode", mode, "--seed", "7", "-C"])
            .arg(&self.folder.0)
            .output()
            .unwrap();
        let capture = self.lab.seal(&file);
        Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
        tcpdump.wait().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let results: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {stderr}"));
        let text = |v: &serde_json::Value| v.as_str().unwrap_or("").to_owned();
        let mut found = BTreeMap::new();
        for host in results["hosts"].as_array().unwrap() {
            let addr: IpAddr = host["address"].as_str().unwrap().parse().unwrap();
            for f in host["findings"].as_array().unwrap() {
                found.insert((addr, text(&f["check"])), (f["severity"].as_u64().unwrap(), text(&f["evidence"])));
            }
        }
        let silent = results["judgement"]["not_tested"].as_array().unwrap();
        let not_tested = silent.iter().map(|s| (text(&s["check"]), text(&s["reason"]))).collect();
        Told { found, not_tested, arrived: arrived(&capture), results }
    }
}

/// SYNs from the block of ports that is the scan's own, and requests of both kinds of ICMP.
fn arrived(capture: &[u8]) -> [u64; 3] {
    let (mut at, mut counts) = (24, [0; 3]);
    while at + 16 <= capture.len() {
        let len = u32::from_le_bytes(capture[at + 8..at + 12].try_into().unwrap()) as usize;
        let frame = &capture[at + 16..at + 16 + len];
        at += 16 + len;
        let (protocol, body) = match &frame[12..14] {
            [0x08, 0x00] => (frame[23], &frame[34..]),
            [0x86, 0xdd] => (frame[20], &frame[54..]),
            _ => continue,
        };
        match (protocol, body[0]) {
            (6, _) if body[13] == 2 && u16::from_be_bytes([body[0], body[1]]) >= 61_000 => counts[0] += 1,
            (1, 8) | (58, 128) => counts[1] += 1,
            (1, 13) => counts[2] += 1,
            _ => {}
        }
    }
    counts
}

impl Told {
    fn of(&self, addr: IpAddr, check: &str) -> Option<(u64, &str)> {
        self.found.get(&(addr, check.to_owned())).map(|(severity, told)| (*severity, told.as_str()))
    }

    fn evidence(&self, addr: IpAddr, check: &str) -> &str {
        self.of(addr, check).unwrap_or_else(|| panic!("{check} of {addr}: {:#?} {:#?}", self.found, self.not_tested)).1
    }

    fn says_not_tested(&self, check: &str, why: &str) -> bool {
        self.not_tested.iter().any(|(c, w)| c == check && w.contains(why))
    }

    fn sent(&self) -> [u64; 3] {
        ["syn", "echo", "timestamp"].map(|probe| self.results["ledger"]["by_probe"][probe].as_u64().unwrap_or(0))
    }
}

/// Seconds that this machine has run for, as far as a clock of a thousand ticks a second can tell.
fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    text.split('.').next().unwrap().parse::<u64>().unwrap() % ((1 << 32) / 1_000)
}

/// How the item begins for a machine that has run for so long: the guide's "Host Uptime Based on TCP TimeStamp Option".
fn told_uptime(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, minutes) => format!("{minutes} minutes,"),
        (0, hours, minutes) => format!("{hours} hours {minutes} minutes,"),
        (days, hours, _) => format!("{days} days {hours} hours,"),
    }
}

#[test]
fn the_information_items_tell_the_truth_about_real_hosts() {
    let Some(site) = Site::build("facts") else {
        println!("skipped: lab_facts::information needs root, ip, nft and tcpdump");
        return;
    };
    // 2: timestamps without an offset, so that they tell how long the machine has run.
    site.in_targets(&["sysctl", "-qw", "net.ipv4.tcp_timestamps=2"]);
    let before = uptime();
    let told = site.run("raw");
    let after = uptime();
    let (host, host6) = (v4(HOST), v6(SIXTH));

    assert_eq!(told.of(host, "IG-01"), Some((1, "198.18.7.1 points to www.lab.example, which leads to 198.18.7.1")));
    assert_eq!(told.evidence(host6, "IG-01"), "fd00:18::7:4 points to www.lab.example, which leads to 198.18.7.1");
    let names = told.evidence(host, "IG-02");
    for name in ["www.lab.example (pointer of the address)", "mail.lab.example", "shop.lab.example"] {
        assert!(names.contains(name), "{names}");
    }
    assert!(told.evidence(host, "IG-03").starts_with("22 ssh ("), "{}", told.evidence(host, "IG-03"));
    assert_eq!(told.of(host, "IG-05"), Some((1, "replies: echo reply, time to live 64, timestamp reply")));
    assert_eq!(told.evidence(host6, "IG-05"), "replies: echo reply, time to live 64");
    for addr in [host, host6] {
        let (severity, evidence) = told.of(addr, "IG-06").unwrap_or_else(|| panic!("{:#?}", told.not_tested));
        assert_eq!(severity, 2);
        let true_then = (before..=after).any(|at| evidence.starts_with(&told_uptime(at)));
        assert!(true_then, "{evidence}, after {before} to {after} seconds");
        assert!(evidence.contains("(1000 ticks a second, "), "{evidence}");
        let (severity, evidence) = told.of(addr, "IG-07").unwrap();
        assert_eq!(severity, 1, "{evidence}");
        assert!(evidence.starts_with("no step is to be seen in "), "{evidence}");
        assert!(told.evidence(addr, "IG-24").contains("options mss,sackOK,ts,nop,wscale "));
        assert!(
            told.evidence(addr, "IG-13").starts_with("looks like Linux, BSD or macOS, a guess from: time to live 64")
        );
        assert_eq!(told.evidence(addr, "IG-14"), "0 hops, if the time to live began at 64 (arrived with 64)");
        assert!(told.evidence(addr, "IG-10").contains(" packets, loss "), "{}", told.evidence(addr, "IG-10"));
    }
    // Linux sends zero in whole SYN-ACKs, or something random.
    let ids = told.evidence(host, "IG-08");
    assert!(ids == "always zero" || ids.starts_with("no order"), "{ids}");
    assert_eq!(told.of(host6, "IG-08"), None);
    assert!(told.says_not_tested("IG-08", "IPv6 packets have no id"), "{:#?}", told.not_tested);
    assert_eq!(told.of(host, "IG-09"), None, "every port answers, open or closed: no firewall");
    let wall = told.of(v4(WALLED), "IG-09");
    assert_eq!(wall, Some((1, "122 ports are silent or forbidden, 1 open, 0 closed")));
    assert_eq!(told.of(host, "IG-11"), Some((3, "ssh on 22/tcp")));
    assert_eq!(told.evidence(host, "IG-12"), "SSH-2.0-OpenSSH_9.9 lab");
    assert_eq!(told.of(host, "IG-17"), None);
    let every = told.evidence(v4(EVERY), "IG-17");
    assert!(every.starts_with("ports that nothing uses accepted connections too"), "{every}");
    let record = told.results["hosts"].as_array().unwrap().iter().find(|h| h["address"] == "198.18.7.2").unwrap();
    assert!(record["every_port"].is_u64(), "{record}");
    assert!(!told.found.keys().any(|(addr, check)| *addr == v4(NOBODY) && check != "IG-10" && check != "IG-22"));

    // Each frame that arrived stands in the ledger, and the plan's bound held.
    assert_eq!(told.arrived, told.sent());
    assert!(told.results["ledger"]["refused"] == 0, "{}", told.results["ledger"]);
    println!("probes of four live addresses, {:?}: SYN, echo, timestamp", told.arrived);
}

#[test]
fn a_stack_that_hides_says_so() {
    let Some(site) = Site::build("hides") else {
        println!("skipped: lab_facts::hides needs root, ip, nft and tcpdump");
        return;
    };
    site.in_targets(&["sysctl", "-qw", "net.ipv4.tcp_timestamps=0"]);
    site.in_targets(&["sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1"]);
    let told = site.run("raw");
    let host = v4(HOST);
    assert_eq!(told.of(host, "IG-06"), None);
    assert!(told.says_not_tested("IG-06", "its SYN-ACKs carry no timestamps"), "{:#?}", told.not_tested);
    assert_eq!(told.evidence(host, "IG-05"), "replies: timestamp reply");
    assert!(!told.evidence(host, "IG-24").contains("ts"), "{}", told.evidence(host, "IG-24"));
    assert!(told.evidence(host, "IG-07").starts_with("no step is to be seen in "));
    assert_eq!(told.arrived, told.sent());

    // An offset for each peer: one clock, and the item says what it cannot know; newer kernels draw one for each
    // connection, and the item says that.
    site.in_targets(&["sysctl", "-qw", "net.ipv4.tcp_timestamps=1"]);
    let told = site.run("raw");
    let clock = told.of(host, "IG-06").is_some_and(|(_, told)| told.contains("random offset for each peer"));
    assert!(
        clock || told.says_not_tested("IG-06", "each connection begins its timestamps at a random offset"),
        "{:#?}",
        told.not_tested
    );

    let told = site.run("connect");
    for check in ["IG-05", "IG-06", "IG-07", "IG-08"] {
        assert_eq!(told.of(host, check), None);
        assert!(told.says_not_tested(check, "connect mode sends no frames of its own"), "{:#?}", told.not_tested);
    }
    assert_eq!(told.arrived, [0; 3]);
}
