//! Targets on the scanner's own link: asked for their hardware address under their warrants, and nobody else is. Same
//! namespaces and the same rules as `lab.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::cli::TempDir;
use crate::lab::Lab;

/// Hosts that are there, one that is not, and one that is and is excluded.
const THERE: [u8; 2] = [10, 11];
const MISSING: u8 = 12;
const EXCLUDED: u8 = 13;

fn v4(host: u8) -> IpAddr {
    Ipv4Addr::new(198, 18, 9, host).into()
}

fn v6(host: u8) -> IpAddr {
    format!("fd00:19::{host:x}").parse().unwrap()
}

fn inventory() -> String {
    let instances: Vec<String> = [THERE[0], THERE[1], MISSING, EXCLUDED]
        .iter()
        .map(|h| {
            format!(
                r#"{{"id":"{h}","name":"link-{h}","status":"RUNNING",
                "zone":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a",
                "selfLink":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a/instances/link-{h}",
                "machineType":"zones/us-central1-a/machineTypes/e2-small",
                "networkInterfaces":[{{"name":"nic0","networkIP":"10.0.0.{h}","network":"global/networks/default",
                "accessConfigs":[{{"natIP":"{}"}}],"ipv6AccessConfigs":[{{"externalIpv6":"{}"}}]}}]}}"#,
                v4(*h),
                v6(*h),
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

profile "two ports" {
  tcp        = [80, 81]
  udp        = none
  ping       = []
  checks     = []
  retries    = 1
}

scan "link" {
  connector = "lab"
  profile   = "two ports"

  targets {
    where             = gcp.compute.state: RUNNING
    exclude_addresses = [198.18.9.13, fd00:19::d]
  }
}
"#;

/// Who was asked for by ARP or neighbour solicitation from our addresses, how often, and where TCP segments went.
fn asked(capture: &[u8]) -> (BTreeMap<IpAddr, u32>, BTreeSet<IpAddr>) {
    let (mut neighbours, mut segments) = (BTreeMap::new(), BTreeSet::new());
    let mut at = 24;
    while at + 16 <= capture.len() {
        let len = u32::from_le_bytes(capture[at + 8..at + 12].try_into().unwrap()) as usize;
        let frame = &capture[at + 16..at + 16 + len];
        at += 16 + len;
        let v4 = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap());
        let v6 = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).unwrap());
        match (&frame[12..14], frame[20], frame[23]) {
            ([0x08, 0x06], ..) if frame[21] == 1 && v4(28) == self::v4(2) => {
                *neighbours.entry(v4(38)).or_default() += 1
            }
            ([0x86, 0xdd], 58, _) if frame[54] == 135 && v6(22) == self::v6(2) => {
                *neighbours.entry(v6(62)).or_default() += 1
            }
            ([0x86, 0xdd], 6, _) => drop(segments.insert(v6(38))),
            ([0x08, 0x00], _, 6) => drop(segments.insert(v4(30))),
            _ => {}
        }
    }
    (neighbours, segments)
}

#[test]
fn targets_on_the_link_are_asked_for_and_found() {
    let Some(lab) = Lab::build("l") else {
        println!("skipped: lab_link needs root, ip and tcpdump");
        return;
    };
    let ip = |args: String| assert!(Command::new("ip").args(args.split(' ')).status().unwrap().success(), "ip {args}");
    // Only addresses of its own are answered for.
    ip(format!("-n {} route del local 198.18.0.0/15 dev lo", lab.targets));
    for (namespace, device, hosts) in [(&lab.scanner, "s0", &[2][..]), (&lab.targets, "t0", &[10, 11, EXCLUDED])] {
        for host in hosts {
            ip(format!("-n {namespace} addr add {}/24 dev {device}", v4(*host)));
            ip(format!("-n {namespace} -6 addr add {}/64 dev {device} nodad", v6(*host)));
        }
    }
    let folder = TempDir::new("lab-link");
    fs::write(folder.0.join("inventory.json"), inventory()).unwrap();
    fs::write(folder.0.join("link.pal"), JOB).unwrap();
    let open: BTreeSet<SocketAddr> =
        THERE.iter().flat_map(|h| [v4(*h), v6(*h)]).map(|a| SocketAddr::new(a, 80)).collect();
    let listeners = lab.listen(&open);
    let capture_file = folder.0.join("capture.pcap");
    let mut tcpdump = lab.capture(&capture_file);
    let output = lab
        .in_scanner(Path::new(env!("CARGO_BIN_EXE_palisade")))
        .args(["run", "link", "--offline", "--format", "json", "--mode", "raw", "--seed", "7", "-C"])
        .arg(&folder.0)
        .output()
        .unwrap();
    let capture = lab.seal(&capture_file);
    Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
    tcpdump.wait().unwrap();
    drop(listeners);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {stderr}"));
    let mut found = BTreeSet::new();
    for host in results["hosts"].as_array().unwrap() {
        for port in host["ports"].as_array().unwrap().iter().filter(|p| p["state"] == "open") {
            let ip: IpAddr = host["address"].as_str().unwrap().parse().unwrap();
            found.insert(SocketAddr::new(ip, port["port"].as_u64().unwrap() as u16));
        }
    }
    assert_eq!(found, open, "{stderr}");
    let told = results.to_string();
    assert_eq!(told.matches("no such neighbour").count(), 2, "{told}");

    let (mut neighbours, segments) = asked(&capture);
    // The packet that seals the capture goes to the other end of the link, from another address.
    let there: BTreeSet<IpAddr> = THERE.iter().flat_map(|h| [v4(*h), v6(*h)]).collect();
    assert_eq!(segments, there, "segments");
    for missing in [v4(MISSING), v6(MISSING)] {
        assert_eq!(neighbours.remove(&missing), Some(3), "three requests at most, {missing}");
    }
    assert_eq!(neighbours.keys().copied().collect::<BTreeSet<_>>(), there, "requests: {neighbours:?}");
    // Both that are missing were asked for three times, the others once; the kernel may have asked for itself too.
    assert_eq!(results["ledger"]["by_probe"]["neighbour"], 2 * 3 + 4, "{}", results["ledger"]);
}
