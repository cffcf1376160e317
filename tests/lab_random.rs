//! Random plans, exclusions and faults on a real network: what a capture holds where frames arrive, what the ledger says,
//! and what the inventory warrants are one. Same namespaces and rules as `lab.rs`; the capture stands before the faults.
//!
//! `PALISADE_RANDOM_PLANS=FIRST..LAST` runs other plans than the first eighteen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use palisade::scan::observation::ProbeKind;
use palisade::store::Store;

use crate::cli::TempDir;
use crate::lab::Lab;

const HOSTS: u16 = 20;
const TCP: [u16; 16] = [22, 25, 80, 110, 143, 443, 445, 993, 1433, 2222, 3306, 5432, 6379, 8080, 8443, 9200];
const UDP: [u16; 4] = [53, 123, 161, 500];
const OUTSIDE: u16 = 250;

/// Numbers that are the same each time. (Marsaglia, "Xorshift RNGs", 2003.)
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Some of them, at least one.
    fn some(&mut self, all: &[u16]) -> Vec<u16> {
        let first = self.of(all);
        all.iter().copied().filter(|p| *p == first || self.one_in(2)).collect()
    }
}

fn address(v6: bool, host: u16) -> IpAddr {
    if v6 { format!("fd00:18::{host:x}").parse().unwrap() } else { Ipv4Addr::new(198, 18, 5, host as u8).into() }
}

/// What is done to a scan from outside while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meddling {
    Nothing,
    /// The host is excluded.
    Exclude(u16),
    /// Somebody presses Ctrl-C.
    Stop,
}

/// One plan, its world and what happens to it, all from a number.
struct Case {
    /// Hosts that run, of which each third has an IPv6 address as well.
    running: BTreeSet<u16>,
    excluded: BTreeSet<u16>,
    tcp: Vec<u16>,
    udp: Vec<u16>,
    open: BTreeSet<SocketAddr>,
    canary: Option<u16>,
    profile: String,
    mode: &'static str,
    /// Rules of the targets' side.
    rules: Vec<String>,
    /// Whether the rules hide or change answers.
    faulty: bool,
    meddling: Meddling,
    /// After so many frames.
    frames: u64,
}

fn list(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!("[{}]", ports.join(", "))
}

impl Case {
    fn new(number: u64) -> Self {
        let dice = &mut Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| {
            dice.below(2);
        });
        let hosts = 1 + dice.below(usize::from(HOSTS)) as u16;
        let running: BTreeSet<u16> = (1..=hosts).filter(|_| !dice.one_in(5)).chain([hosts]).collect();
        let excluded: BTreeSet<u16> = (1..hosts).filter(|_| dice.one_in(6)).collect();
        let (tcp, udp) = (dice.some(&TCP), if dice.one_in(2) { dice.some(&UDP) } else { Vec::new() });
        // Addresses that nobody may talk to listen as well.
        let mut open = BTreeSet::new();
        for host in (1..=HOSTS).chain([OUTSIDE]) {
            for port in TCP {
                for v6 in [false, true] {
                    if dice.one_in(3) {
                        open.insert(SocketAddr::new(address(v6, host), port));
                    }
                }
            }
        }
        let mode = if dice.one_in(4) { "connect" } else { "raw" };
        let mut profile = format!("  tcp = {}\n  checks = []\n", list(&tcp));
        let _ = writeln!(profile, "  udp = {}", if udp.is_empty() { "none".into() } else { list(&udp) });
        let pings = ["icmp", "icmp_timestamp", "tcp(22, 443)", "tcp_ack(80)", "udp(53)"];
        let pings: Vec<&str> = pings.into_iter().filter(|_| dice.one_in(3)).collect();
        let _ = writeln!(profile, "  ping = [{}]", pings.join(", "));
        let _ = writeln!(profile, "  dead_hosts = {}", dice.of(&["scan", "skip"]));
        let _ = writeln!(profile, "  retries = {}", dice.below(4));
        let meddling = match dice.below(4) {
            0 => Meddling::Exclude(hosts),
            1 => Meddling::Stop,
            _ => Meddling::Nothing,
        };
        for (name, least) in [("rate", 150), ("per_network", 100), ("per_host", 20)] {
            // Whoever meddles needs time.
            if meddling != Meddling::Nothing && name == "rate" {
                let _ = writeln!(profile, "  rate = {}/s", 50 + dice.below(100));
            } else if dice.one_in(2) {
                let _ = writeln!(profile, "  {name} = {}/s", least * (1 + dice.below(20)));
            }
        }
        if dice.one_in(3) {
            profile.push_str("  recall = 99%\n");
        }
        let drop = ["", "fd00:18::/64", "198.18.5.0/24"];
        let mut rules = Vec::new();
        if dice.one_in(3) {
            rules.push(format!("add rule inet faults before numgen random mod 100 < {} drop", 1 + dice.below(25)));
        }
        if dice.one_in(3) {
            rules.push(format!("add rule inet faults after numgen random mod 100 < {} drop", 1 + dice.below(25)));
        }
        if dice.one_in(4) {
            let most = 20 * (1 + dice.below(20));
            rules.push(format!(
                "add rule inet faults before tcp flags & syn == syn limit rate over {most}/second burst 5 packets drop"
            ));
        }
        if dice.one_in(4) {
            rules.push(format!(
                "add rule inet faults within tcp dport {} reject with icmpx type admin-prohibited",
                dice.of(&TCP)
            ));
        }
        match dice.of(&drop) {
            "" => {}
            "fd00:18::/64" => rules.push("add rule inet faults before ip6 daddr fd00:18::/64 drop".into()),
            _ => rules.push(format!("add rule inet faults before ip daddr 198.18.5.{} drop", 1 + dice.below(5))),
        }
        if dice.one_in(4) {
            rules.clear();
        }
        let frames = dice.below(60) as u64;
        let canary = dice.one_in(3).then(|| dice.of(&TCP));
        let faulty = !rules.is_empty();
        Self { running, excluded, tcp, udp, open, canary, profile, mode, rules, faulty, meddling, frames }
    }

    fn addresses(&self, host: u16) -> Vec<IpAddr> {
        let v6 = host.is_multiple_of(3).then(|| address(true, host));
        std::iter::once(address(false, host)).chain(v6).collect()
    }

    fn warranted(&self) -> BTreeSet<IpAddr> {
        let hosts = self.running.iter().filter(|h| !self.excluded.contains(h));
        hosts.flat_map(|h| self.addresses(*h)).collect()
    }

    fn inventory(&self) -> String {
        let instance = |host: u16| {
            let status = if self.running.contains(&host) { "RUNNING" } else { "TERMINATED" };
            let v6 = match self.addresses(host)[..] {
                [_, v6] => format!(r#","ipv6AccessConfigs":[{{"externalIpv6":"{v6}"}}]"#),
                _ => String::new(),
            };
            format!(
                r#"{{"id":"{host}","name":"random-{host}","status":"{status}",
                "zone":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a",
                "selfLink":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a/instances/random-{host}",
                "machineType":"zones/us-central1-a/machineTypes/e2-small",
                "networkInterfaces":[{{"name":"nic0","networkIP":"10.0.0.{host}","network":"global/networks/default",
                "accessConfigs":[{{"natIP":"{}"}}]{v6}}}]}}"#,
                address(false, host),
            )
        };
        let instances: Vec<String> = (1..=HOSTS).map(instance).collect();
        format!(r#"{{"kind":"compute#instanceList","items":[{}]}}"#, instances.join(","))
    }

    fn job(&self) -> String {
        let excluded: Vec<String> =
            self.excluded.iter().flat_map(|h| [false, true].map(|v6| address(v6, *h).to_string())).collect();
        let canary = match self.canary {
            Some(port) => {
                let host = self.running.iter().find(|h| !self.excluded.contains(h)).unwrap();
                format!("    canary {{\n      where = name: `random-{host}`\n      tcp = {port}\n    }}\n")
            }
            None => String::new(),
        };
        format!(
            "connector \"lab\" {{\n  provider = file\n  path = \"inventory.json\"\n}}\n\nprofile \"random\" {{\n{}}}\n\n\
             scan \"random\" {{\n  connector = \"lab\"\n  profile = \"random\"\n\n  targets {{\n    \
             where = gcp.compute.state: RUNNING\n    exclude_addresses = [{}]\n{canary}  }}\n}}\n",
            self.profile,
            excluded.join(", "),
        )
    }
}

/// Packets by destination, port and kind, read from a capture. A kernel repeats its own connections' SYNs, which is one
/// connection; what it answers to answers (resets, errors) is its own, and so is its neighbour discovery.
fn captured(capture: &[u8], mode: &str) -> BTreeMap<(IpAddr, u16, &'static str), u32> {
    let ours: [IpAddr; 2] = ["192.0.2.2".parse().unwrap(), "fd00:2::2".parse().unwrap()];
    let (mut at, mut found, mut connections) = (24, BTreeMap::new(), BTreeSet::new());
    while at + 16 <= capture.len() {
        let len = u32::from_le_bytes(capture[at + 8..at + 12].try_into().unwrap()) as usize;
        let frame = &capture[at + 16..at + 16 + len];
        at += 16 + len;
        let (source, to, protocol, body): (IpAddr, IpAddr, u8, &[u8]) = match &frame[12..14] {
            [8, 0] => {
                let end = |at: usize| <[u8; 4]>::try_from(&frame[at..at + 4]).unwrap();
                (end(26).into(), end(30).into(), frame[23], &frame[34..])
            }
            [0x86, 0xdd] => {
                let end = |at: usize| <[u8; 16]>::try_from(&frame[at..at + 16]).unwrap();
                (end(22).into(), end(38).into(), frame[20], &frame[54..])
            }
            _ => continue,
        };
        if !ours.contains(&source) {
            continue;
        }
        let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
        let key = match (protocol, body[0]) {
            (6, _) if body[13] == 0x02 && mode == "connect" => {
                if !connections.insert((to, body[..8].to_vec())) {
                    continue;
                }
                (to, port(2), "connect")
            }
            (6, _) if body[13] == 0x02 => (to, port(2), "syn"),
            (6, _) if body[13] == 0x10 && mode == "raw" => (to, port(2), "ack"),
            (17, _) if port(2) != 9 => (to, port(2), "udp"),
            (1, 8) | (58, 128) => (to, 0, "echo"),
            (1, 13) => (to, 0, "timestamp"),
            _ => continue,
        };
        *found.entry(key).or_default() += 1;
    }
    found
}

/// What the run's ledger says.
fn booked(folder: &Path, reference: &str) -> BTreeMap<(IpAddr, u16, &'static str), u32> {
    let ledger = Store::open(&folder.join(".palisade")).unwrap().ledger(reference).unwrap();
    let mut booked = BTreeMap::new();
    for (entry, n) in ledger.lines() {
        // Over IPv6 an echo stands for a timestamp.
        let kind = match entry.probe {
            ProbeKind::Timestamp if entry.destination.is_ipv6() => "echo",
            probe => probe.as_str(),
        };
        *booked.entry((entry.destination, entry.port, kind)).or_default() += n;
    }
    booked
}

fn run(lab: &Lab, number: u64) -> String {
    let case = Case::new(number);
    let folder = TempDir::new(&format!("lab-random-{number}"));
    fs::write(folder.0.join("inventory.json"), case.inventory()).unwrap();
    fs::write(folder.0.join("random.pal"), case.job()).unwrap();
    let in_targets = |args: &[&str]| {
        let status = Command::new("ip").args(["netns", "exec", &lab.targets]).args(args).status().unwrap();
        assert!(status.success(), "{args:?}");
    };
    let chains = [
        "flush ruleset",
        "add table inet faults",
        "add chain inet faults before { type filter hook prerouting priority -300; }",
        "add chain inet faults within { type filter hook input priority 0; }",
        "add chain inet faults after { type filter hook output priority 0; }",
    ];
    let rules: Vec<&str> = chains.into_iter().chain(case.rules.iter().map(String::as_str)).collect();
    in_targets(&["nft", &rules.join("\n")]);
    let listeners = lab.listen(&case.open);
    let udp = Lab::inside(&lab.targets, || UdpSocket::bind("0.0.0.0:53").unwrap());
    let file = folder.0.join("capture.pcap");
    let mut tcpdump = lab.capture(&file);
    let palisade = |args: &[&str]| {
        let mut command = lab.in_scanner(Path::new(env!("CARGO_BIN_EXE_palisade")));
        command.args(args).arg("-C").arg(&folder.0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let left = || {
        let link = Command::new("ip").args(["-n", &lab.scanner, "-s", "-j", "link", "show", "s0"]).output().unwrap();
        let link: serde_json::Value = serde_json::from_slice(&link.stdout).unwrap();
        link[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
    };
    let left_before = left();
    let seed = number.to_string();
    let mut child = palisade(&["run", "random", "--offline", "--format", "json", "--mode", case.mode, "--seed", &seed])
        .spawn()
        .unwrap();
    let until = left_before + case.frames;
    while case.meddling != Meddling::Nothing && left() < until && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    match case.meddling {
        Meddling::Nothing => {}
        // Whether it comes in time or not: what is sent must be warranted and booked.
        Meddling::Exclude(host) => {
            palisade(&["scans", "exclude", "latest", &address(false, host).to_string()]).output().map(drop).unwrap();
        }
        Meddling::Stop => {
            Command::new("kill").args(["-INT", &child.id().to_string()]).status().map(drop).unwrap();
        }
    }
    let output = child.wait_with_output().unwrap();
    let capture = lab.seal(&file);
    Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
    tcpdump.wait().unwrap();
    drop((listeners, udp));

    let what = format!("plan {number}, {} {:?} {:?}\n{}", case.mode, case.meddling, case.rules, case.job());
    let stderr = String::from_utf8_lossy(&output.stderr);
    let results: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {stderr}\n{what}"));
    let (capture, booked) =
        (captured(&capture, case.mode), booked(&folder.0, results["summary"]["reference"].as_str().unwrap()));
    assert_eq!(capture, booked, "capture and ledger\n{what}{stderr}");
    assert_eq!(results["ledger"]["refused"], 0, "{what}");
    let warranted = case.warranted();
    for (addr, port, kind) in capture.keys() {
        assert!(warranted.contains(addr), "{kind} to {addr} port {port} has no warrant\n{what}");
    }
    let open = results["hosts"].as_array().unwrap().iter().flat_map(|host| {
        let addr: IpAddr = host["address"].as_str().unwrap().parse().unwrap();
        let tcp = |p: &&serde_json::Value| p["state"] == "open" && p["protocol"] == "tcp";
        let ports = host["ports"].as_array().unwrap().iter().filter(tcp);
        ports.map(move |p| SocketAddr::new(addr, p["port"].as_u64().unwrap() as u16)).collect::<Vec<_>>()
    });
    let found: BTreeSet<SocketAddr> = open.collect();
    let truth: BTreeSet<SocketAddr> =
        case.open.iter().copied().filter(|a| warranted.contains(&a.ip()) && case.tcp.contains(&a.port())).collect();
    assert!(found.is_subset(&truth), "{found:?} {truth:?}\n{what}");
    if !case.faulty && case.meddling == Meddling::Nothing {
        assert_eq!(found, truth, "{what}{stderr}");
    }
    let packets: u32 = booked.values().sum();
    format!(
        "{number}: {} {packets} packets to {} of {} addresses, {} of {} open, {} udp, {:?}, {} rules",
        case.mode,
        booked.keys().map(|k| k.0).collect::<BTreeSet<_>>().len(),
        warranted.len(),
        found.len(),
        truth.len(),
        case.udp.len(),
        case.meddling,
        case.rules.len(),
    )
}

#[test]
fn random_plans_send_what_is_warranted_and_booked() {
    let nft = Command::new("nft").arg("--version").output().is_ok_and(|o| o.status.success());
    let Some(lab) = Lab::build("n").filter(|_| nft) else {
        println!("skipped: lab_random needs root, ip, nft and tcpdump");
        return;
    };
    let plans: Range<u64> = match std::env::var("PALISADE_RANDOM_PLANS") {
        Ok(range) => {
            let (first, last) = range.split_once("..").unwrap();
            first.parse().unwrap()..last.parse().unwrap()
        }
        Err(_) => 1..19,
    };
    for number in plans {
        println!("lab_random: {}", run(&lab, number));
    }
}
