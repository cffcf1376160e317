//! The whole chain on a real network: two network namespaces with no way out, known listeners in one, `palisade run`
//! in the other, and a capture that must hold no packet outside the warrants.
//!
//! Needs root, `ip` and `tcpdump`; elsewhere the tests skip, and say so by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::cli::TempDir;

/// Two namespaces joined by a veth pair; removed on drop.
pub struct Lab {
    pub scanner: String,
    pub targets: String,
}

fn ip(args: &str) -> bool {
    Command::new("ip").args(args.split(' ')).output().is_ok_and(|o| o.status.success())
}

impl Lab {
    /// Nothing where the machine lacks the right or the programs; the caller skips loudly.
    pub fn build(tag: &str) -> Option<Self> {
        let lab = Self {
            scanner: format!("pal-s{tag}{}", std::process::id()),
            targets: format!("pal-t{tag}{}", std::process::id()),
        };
        let tcpdump = Command::new("tcpdump").arg("--version").output().is_ok_and(|o| o.status.success());
        if !tcpdump || !ip(&format!("netns add {}", lab.scanner)) || !ip(&format!("netns add {}", lab.targets)) {
            return None;
        }
        let (s, t) = (&lab.scanner, &lab.targets);
        for step in [
            format!("-n {s} link add s0 type veth peer name t0 netns {t}"),
            format!("-n {s} link set lo up"),
            format!("-n {t} link set lo up"),
            format!("-n {s} addr add 192.0.2.2/24 dev s0"),
            format!("-n {t} addr add 192.0.2.1/24 dev t0"),
            format!("-n {s} -6 addr add fd00:2::2/64 dev s0 nodad"),
            format!("-n {t} -6 addr add fd00:2::1/64 dev t0 nodad"),
            format!("-n {s} link set s0 up"),
            format!("-n {t} link set t0 up"),
            format!("-n {s} route add 198.18.0.0/15 via 192.0.2.1"),
            format!("-n {t} route add local 198.18.0.0/15 dev lo"),
            format!("-n {s} -6 route add fd00:18::/64 via fd00:2::1"),
            format!("-n {t} -6 route add local fd00:18::/64 dev lo"),
        ] {
            assert!(ip(&step), "ip {step}");
        }
        // IPv6 sockets may bind addresses that only a local route covers, as IPv4 ones may anyway.
        let bind = ["netns", "exec", t, "sysctl", "-qw", "net.ipv6.ip_nonlocal_bind=1"];
        assert!(Command::new("ip").args(bind).status().unwrap().success());
        Some(lab)
    }

    /// Runs something inside a namespace. A socket stays in the namespace that its thread was in when it was made.
    pub fn inside<T: Send + 'static>(name: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = fs::File::open(format!("/run/netns/{name}")).unwrap();
        std::thread::spawn(move || {
            #[expect(unsafe_code, reason = "the standard library cannot enter a network namespace")]
            // SAFETY: setns takes a descriptor that lives across the call, and changes this short-lived thread only.
            let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(entered, 0, "setns: {}", std::io::Error::last_os_error());
            act()
        })
        .join()
        .unwrap()
    }

    /// Listeners in the target namespace.
    pub fn listen(&self, open: &BTreeSet<SocketAddr>) -> Vec<TcpListener> {
        let open = open.clone();
        Self::inside(&self.targets, move || {
            open.iter().map(|a| TcpListener::bind(a).unwrap_or_else(|e| panic!("bind {a}: {e}"))).collect()
        })
    }

    /// Sends a last packet to the other end of the link and returns once the capture holds it: it then holds all before.
    pub fn seal(&self, file: &Path) -> Vec<u8> {
        Self::inside(&self.scanner, || {
            let socket = UdpSocket::bind("192.0.2.2:0").unwrap();
            socket.send_to(SEAL, "192.0.2.1:9").unwrap();
        });
        loop {
            let capture = fs::read(file).unwrap();
            if capture.windows(SEAL.len()).any(|w| w == SEAL) {
                return capture;
            }
            std::thread::yield_now();
        }
    }

    pub fn in_scanner(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.scanner]).arg(program);
        command
    }

    /// Starts a capture where the frames arrive (frames past the queueing discipline are not shown to a capture on the
    /// machine they leave from), and returns once it listens.
    pub fn capture(&self, file: &Path) -> Child {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.targets, "tcpdump", "-Q", "in"])
            .args(["-i", "t0", "-n", "-U", "--immediate-mode", "-s", "128", "-B", "16384", "-w"])
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "tcpdump ended early");
        }
        // Keep the pipe open and drained until tcpdump ends.
        std::thread::spawn(move || {
            let mut rest = String::new();
            let _ = stderr.read_to_string(&mut rest);
        });
        child
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.scanner));
        ip(&format!("netns del {}", self.targets));
    }
}

/// Destinations of the IPv4 and IPv6 packets that left from our addresses, with the transport's destination port, and
/// how many went there. Neighbour discovery and ARP are the link's own upkeep and are counted apart.
pub fn sent(capture: &[u8], ours: &[IpAddr]) -> BTreeMap<(IpAddr, u16), u32> {
    let mut found = BTreeMap::new();
    let mut at = 24;
    while at + 16 <= capture.len() {
        let len = u32::from_le_bytes(capture[at + 8..at + 12].try_into().unwrap()) as usize;
        let frame = &capture[at + 16..at + 16 + len];
        at += 16 + len;
        let (source, dest, protocol, payload): (IpAddr, IpAddr, u8, &[u8]) = match &frame[12..14] {
            [0x08, 0x00] => {
                let header = usize::from(frame[14] & 0x0f) * 4;
                let source: [u8; 4] = frame[26..30].try_into().unwrap();
                let dest: [u8; 4] = frame[30..34].try_into().unwrap();
                (source.into(), dest.into(), frame[23], &frame[14 + header..])
            }
            [0x86, 0xdd] => {
                let source: [u8; 16] = frame[22..38].try_into().unwrap();
                let dest: [u8; 16] = frame[38..54].try_into().unwrap();
                (source.into(), dest.into(), frame[20], &frame[54..])
            }
            _ => continue,
        };
        // ICMPv6 types 133 to 137 are neighbour discovery, 143 is a multicast report: the kernel's own, link-local.
        let upkeep = protocol == 58 && matches!(payload.first(), Some(133..=137 | 143));
        if upkeep || !ours.contains(&source) {
            continue;
        }
        let port = if matches!(protocol, 6 | 17) { u16::from_be_bytes([payload[2], payload[3]]) } else { 0 };
        // The kernel's resets of half-open connections are its own, and close what our probes opened.
        if protocol == 6 && payload.get(13).is_some_and(|flags| flags & 0x04 > 0) {
            continue;
        }
        *found.entry((dest, port)).or_default() += 1;
    }
    found
}

/// A recorded GCP answer: running instances, each with a number of its own, a name and a public address.
pub fn instances(all: impl Iterator<Item = (String, IpAddr)>) -> String {
    let instance = |(id, (name, addr)): (usize, (String, IpAddr))| {
        format!(
            r#"{{"id":"{id}","name":"{name}","status":"RUNNING",
            "zone":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a",
            "selfLink":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a/instances/{name}",
            "machineType":"zones/us-central1-a/machineTypes/e2-small",
            "networkInterfaces":[{{"name":"nic0","networkIP":"10.0.0.1","network":"global/networks/default",
            "accessConfigs":[{{"natIP":"{addr}"}}]}}]}}"#
        )
    };
    let all: Vec<String> = (1..).zip(all).map(instance).collect();
    format!(r#"{{"kind":"compute#instanceList","items":[{}]}}"#, all.join(","))
}

/// The packet that ends a capture.
const SEAL: &[u8] = b"end of capture";

const PORTS: [u16; 6] = [22, 80, 443, 3306, 8080, 9200];
/// The canary's, open on one address and closed on the other; no port that is asked of all.
const CANARY: u16 = 2222;

/// Which (address, port) pairs are open: a fixed pattern over 40 hosts, one in four pairs.
fn truth(v6: bool) -> BTreeSet<SocketAddr> {
    (1..=40u16)
        .flat_map(|host| PORTS.into_iter().enumerate().map(move |(i, port)| (host, i as u16, port)))
        .filter(|(host, i, _)| (host * 7 + i * 5) % 4 == 0)
        .map(|(host, _, port)| SocketAddr::new(address(v6, host), port))
        .collect()
}

fn address(v6: bool, host: u16) -> IpAddr {
    if v6 { format!("fd00:18::{host:x}").parse().unwrap() } else { Ipv4Addr::new(198, 18, 5, host as u8).into() }
}

/// A recorded GCP answer: 40 hosts with v4 and v6 addresses, five that are stopped and may not be touched.
fn inventory() -> String {
    let instances: Vec<String> = (1..=45u16)
        .map(|host| {
            let status = if host > 40 { "TERMINATED" } else { "RUNNING" };
            format!(
                r#"{{"id":"{}","name":"lab-{host}","status":"{status}",
                "zone":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a",
                "selfLink":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a/instances/lab-{host}",
                "machineType":"zones/us-central1-a/machineTypes/e2-small",
                "networkInterfaces":[{{"name":"nic0","networkIP":"10.0.0.{host}","network":"global/networks/default",
                "accessConfigs":[{{"natIP":"{}"}}],"ipv6AccessConfigs":[{{"externalIpv6":"{}"}}]}}]}}"#,
                1_000_000 + u32::from(host),
                address(false, host),
                address(true, host),
            )
        })
        .collect();
    format!(r#"{{"kind":"compute#instanceList","items":[{}]}}"#, instances.join(","))
}

const JOB: &str = r#"
connector "lab" {
  provider = file
  path     = "inventory.json"
}

profile "six ports" {
  tcp        = [22, 80, 443, 3306, 8080, 9200]
  udp        = none
  ping       = [tcp(22)]
  dead_hosts = scan
  checks     = []
  rate       = 5000/s
  per_host   = 1000/s
  retries    = 2
}

scan "lab" {
  connector = "lab"
  profile   = "six ports"

  targets {
    where             = gcp.compute.state: RUNNING
    exclude_addresses = [198.18.5.7, fd00:18::7]
    canary {
      where = name: `lab-1`
      tcp   = 2222
    }
  }
}
"#;

fn run_and_compare(mode: &str) {
    let Some(lab) = Lab::build(mode.get(..1).unwrap()) else {
        println!("skipped: lab::{mode} needs root, ip and tcpdump");
        return;
    };
    let folder = TempDir::new(&format!("lab-{mode}"));
    fs::write(folder.0.join("inventory.json"), inventory()).unwrap();
    fs::write(folder.0.join("lab.pal"), JOB).unwrap();
    let open: BTreeSet<SocketAddr> = truth(false).into_iter().chain(truth(true)).collect();
    let canary = SocketAddr::new(address(false, 1), CANARY);
    let listeners = lab.listen(&open.iter().copied().chain([canary]).collect());
    let capture_file = folder.0.join("capture.pcap");
    let mut tcpdump = lab.capture(&capture_file);

    let output = lab
        .in_scanner(Path::new(env!("CARGO_BIN_EXE_palisade")))
        .args(["run", "lab", "--offline", "--format", "json", "--mode", mode, "--seed", "7", "-C"])
        .arg(&folder.0)
        .output()
        .unwrap();
    let capture = lab.seal(&capture_file);
    Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
    tcpdump.wait().unwrap();
    drop(listeners);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();

    let excluded = [address(false, 7), address(true, 7)];
    let want: BTreeSet<SocketAddr> = open.into_iter().filter(|a| !excluded.contains(&a.ip())).collect();
    let mut found = BTreeSet::new();
    for host in results["hosts"].as_array().unwrap() {
        for port in host["ports"].as_array().unwrap() {
            if port["state"] == "open" {
                let ip: IpAddr = host["address"].as_str().unwrap().parse().unwrap();
                found.insert(SocketAddr::new(ip, port["port"].as_u64().unwrap() as u16));
            }
        }
    }
    assert_eq!(found, want, "open ports, mode {mode}");
    assert_eq!(results["mode"], mode);

    let ours = ["192.0.2.2".parse().unwrap(), "fd00:2::2".parse().unwrap()];
    let sent = sent(&capture, &ours);
    let warranted: BTreeSet<IpAddr> =
        (1..=40).flat_map(|h| [address(false, h), address(true, h)]).filter(|a| !excluded.contains(a)).collect();
    let mut sent = sent;
    assert!(sent.remove(&(Ipv4Addr::new(192, 0, 2, 1).into(), 9)).is_some(), "the last packet is ours");
    let destinations: BTreeSet<IpAddr> = sent.keys().map(|(a, _)| *a).collect();
    assert_eq!(destinations, warranted, "destinations in the capture, mode {mode}");
    let ports: BTreeSet<u16> = sent.keys().map(|(_, p)| *p).filter(|p| *p != CANARY).collect();
    assert_eq!(ports, PORTS.into_iter().collect(), "ports in the capture, mode {mode}");
    let of_canaries: BTreeMap<IpAddr, u32> =
        sent.iter().filter(|((_, port), _)| *port == CANARY).map(|((addr, _), n)| (*addr, *n)).collect();
    let notes: Vec<&str> = results["notes"].as_array().unwrap().iter().filter_map(|n| n.as_str()).collect();
    let told = |text: &str| notes.iter().any(|n| n.contains(text));
    if mode == "connect" {
        assert!(of_canaries.is_empty() && told("connect mode asks no canaries"), "{of_canaries:?} {notes:?}");
    } else {
        let (open, closed) = (address(false, 1), address(true, 1));
        assert!(of_canaries.len() == 2 && of_canaries[&open] >= 2 && of_canaries[&closed] <= 10, "{of_canaries:?}");
        assert!(told(&format!("canary {closed} tcp {CANARY}: the port is closed")), "{notes:?}");
        let answered = notes.iter().find_map(|n| n.strip_prefix(&format!("canary {open} tcp {CANARY}: "))).unwrap();
        let (answered, asked) = answered.strip_suffix(" probes answered").unwrap().split_once(" of ").unwrap();
        assert!(answered == asked && asked.parse::<u32>().unwrap() <= of_canaries[&open], "{notes:?}");
        let total: u64 = sent.values().map(|n| u64::from(*n)).sum();
        assert_eq!(results["ledger"]["by_probe"]["syn"], total, "the ledger counts what the capture holds");
    }
}

#[test]
fn raw_mode_finds_the_truth_and_sends_nothing_else() {
    run_and_compare("raw");
}

#[test]
fn connect_mode_finds_the_truth_and_sends_nothing_else() {
    run_and_compare("connect");
}
