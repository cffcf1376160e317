//! Rates on a real network: over any second of what arrives, run, network and host get no more than the profile allows,
//! from the first request for a hardware address to the last conversation. Same namespaces and rules as `lab.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::cli::TempDir;
use crate::lab::{Lab, instances};

/// The last of the networks is on the link itself.
const NETWORKS: [u8; 3] = [20, 21, 22];
const HOSTS: u8 = 8;
const OPEN: u16 = 2_001;
const RATE: usize = 300;
const PER_NETWORK: usize = 120;
const PER_HOST: usize = 20;

fn addresses() -> impl Iterator<Item = Ipv4Addr> {
    NETWORKS.into_iter().flat_map(|network| (1..=HOSTS).map(move |host| Ipv4Addr::new(198, 18, network, host)))
}

fn inventory() -> String {
    instances(addresses().enumerate().map(|(i, addr)| (format!("rates-{i}"), addr.into())))
}

fn job() -> String {
    format!(
        r#"
connector "lab" {{
  provider = file
  path     = "inventory.json"
}}

profile "paced" {{
  tcp         = [{OPEN}-2030]
  udp         = none
  ping        = []
  dead_hosts  = scan
  checks      = ["IG-*"]
  rate        = {RATE}/s
  per_network = {PER_NETWORK}/s
  per_host    = {PER_HOST}/s
  retries     = 0
}}

scan "rates" {{
  connector = "lab"
  profile   = "paced"

  targets {{ where = gcp.compute.state: RUNNING }}
}}
"#
    )
}

/// What the rates count of a capture, in microseconds and with whom it is for: connections, probes and datagrams, and
/// requests for hardware addresses until the first probe; later ones are the kernel's own.
fn counted(capture: &[u8]) -> Vec<(u64, Ipv4Addr)> {
    let word = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().unwrap());
    let ours = [[192, 0, 2, 2], [198, 18, 22, 250]];
    let (mut at, mut found, mut probed) = (24, Vec::new(), false);
    while at + 16 <= capture.len() {
        let (us, len) = (u64::from(word(at)) * 1_000_000 + u64::from(word(at + 4)), word(at + 8) as usize);
        let frame = &capture[at + 16..at + 16 + len];
        at += 16 + len;
        let field = |from: usize| <[u8; 4]>::try_from(&frame[from..from + 4]).unwrap();
        let about = match frame[12..14] {
            // A request, ARP's operation 1.
            [8, 6] if !probed && frame[21] == 1 && ours.contains(&field(28)) => field(38),
            // Of TCP, a SYN alone.
            [8, 0] if ours.contains(&field(26)) && (frame[23] != 6 || frame[47] & 0x17 == 0x02) => {
                probed = true;
                field(30)
            }
            _ => continue,
        };
        if addresses().any(|a| a.octets() == about) {
            found.push((us, about.into()));
        }
    }
    found
}

/// Most within a second.
fn busiest(times: &[u64]) -> usize {
    let within = |(i, start): (usize, &u64)| times[i..].iter().take_while(|at| **at < start + 1_000_000).count();
    times.iter().enumerate().map(within).max().unwrap_or(0)
}

#[test]
fn rates_hold_where_frames_arrive() {
    let Some(lab) = Lab::build("q") else {
        println!("skipped: lab_rates needs root, ip and tcpdump");
        return;
    };
    // The way back is looked up where the targets' own addresses stand.
    for step in [
        format!("-n {} addr add 198.18.22.250/24 dev s0", lab.scanner),
        format!("-n {} route add 198.18.22.250 dev t0 table local", lab.targets),
    ] {
        assert!(Command::new("ip").args(step.split(' ')).status().unwrap().success(), "ip {step}");
    }
    let folder = TempDir::new("lab-rates");
    fs::write(folder.0.join("inventory.json"), inventory()).unwrap();
    fs::write(folder.0.join("rates.pal"), job()).unwrap();
    let open: BTreeSet<SocketAddr> = addresses().map(|a| SocketAddr::new(a.into(), OPEN)).collect();
    for listener in lab.listen(&open) {
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9 lab\r\n");
            }
        });
    }
    let file = folder.0.join("capture.pcap");
    let mut tcpdump = lab.capture(&file);
    let output = lab
        .in_scanner(Path::new(env!("CARGO_BIN_EXE_palisade")))
        .args(["run", "rates", "--offline", "--format", "json", "--mode", "raw", "--seed", "7", "-C"])
        .arg(&folder.0)
        .output()
        .unwrap();
    let capture = lab.seal(&file);
    Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
    tcpdump.wait().unwrap();

    let results: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let ledger = &results["ledger"]["by_probe"];
    let frames = counted(&capture);
    let booked: u64 = ledger.as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(frames.len() as u64, booked, "{ledger}");
    assert!(ledger["neighbour"].as_u64() >= Some(u64::from(HOSTS)) && ledger["talk"].as_u64() >= Some(24), "{ledger}");
    let mut by: BTreeMap<(usize, IpAddr), Vec<u64>> = BTreeMap::new();
    for (at, addr) in frames {
        let [a, b, c, _] = addr.octets();
        let network = Ipv4Addr::new(a, b, c, 0);
        for key in [(RATE, Ipv4Addr::UNSPECIFIED), (PER_NETWORK, network), (PER_HOST, addr)] {
            by.entry((key.0, key.1.into())).or_default().push(at);
        }
    }
    for ((rate, of), times) in by {
        let most = busiest(&times);
        assert!(most <= rate, "{of}: {most} packets in a second, {rate} allowed");
    }
}
