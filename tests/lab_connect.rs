//! Connect mode with thousands of sockets in flight: nearly all first questions are lost, so that each holds its socket
//! until its time is up, and most ports of most hosts stay silent. Same namespaces and rules as `lab.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::cli::TempDir;
use crate::lab::{Lab, instances};

const HOSTS: u8 = 100;
/// The first so many refuse what is not open; the others are silent.
const REFUSING: u8 = 20;
const PORTS: u16 = 150;
const FIRST: u16 = 3_001;
/// Bytes of the SYNs that are lost, of 60 bytes each: fourteen in fifteen of the first ones.
const LOST: u32 = 14_000 * 60;

fn host(n: u8) -> IpAddr {
    Ipv4Addr::new(198, 18, 40, n).into()
}

fn inventory() -> String {
    instances((1..=HOSTS).map(|n| (format!("many-{n}"), host(n))))
}

fn job() -> String {
    format!(
        r#"
connector "lab" {{
  provider = file
  path     = "inventory.json"
}}

profile "many" {{
  tcp        = [{FIRST}-{}]
  udp        = none
  ping       = []
  dead_hosts = scan
  checks     = []
  per_host   = 1000000/s
  retries    = 1
}}

scan "many" {{
  connector = "lab"
  profile   = "many"

  targets {{ where = gcp.compute.state: RUNNING }}
}}
"#,
        FIRST + PORTS - 1
    )
}

#[test]
fn thousands_of_sockets_in_flight_lose_nothing() {
    let nft = Command::new("nft").arg("--version").output().is_ok_and(|o| o.status.success());
    let Some(lab) = Lab::build("w").filter(|_| nft) else {
        println!("skipped: lab_connect needs root, ip, nft and tcpdump");
        return;
    };
    let folder = TempDir::new("lab-many");
    fs::write(folder.0.join("inventory.json"), inventory()).unwrap();
    fs::write(folder.0.join("many.pal"), job()).unwrap();
    let open: BTreeSet<SocketAddr> = (1..=HOSTS)
        .flat_map(|h| (0..3).map(move |i| SocketAddr::new(host(h), FIRST + (u16::from(h) * 7 + i * 50) % PORTS)))
        .collect();
    let listeners = lab.listen(&open);
    let silent: Vec<String> = (REFUSING + 1..=HOSTS).map(|h| host(h).to_string()).collect();
    let openings: Vec<String> = open.iter().map(|a| format!("{} . {}", a.ip(), a.port())).collect();
    let rules = format!(
        "table ip many {{
            chain in {{ type filter hook prerouting priority -300;
                tcp flags & (syn | ack) == syn quota until {LOST} bytes drop
                ip daddr . tcp dport {{ {} }} accept; ip daddr {{ {} }} tcp dport 1-65535 drop; }}
        }}",
        openings.join(", "),
        silent.join(", ")
    );
    let status = Command::new("ip").args(["netns", "exec", &lab.targets, "nft", &rules]).status().unwrap();
    assert!(status.success());
    let output = lab
        .in_scanner(Path::new(env!("CARGO_BIN_EXE_palisade")))
        .args(["run", "many", "--offline", "--format", "json", "--mode", "connect", "--seed", "7", "-C"])
        .arg(&folder.0)
        .output()
        .unwrap();
    drop(listeners);
    let results: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let hosts = results["hosts"].as_array().unwrap();
    let found: BTreeSet<SocketAddr> = hosts
        .iter()
        .flat_map(|host| {
            let addr: IpAddr = host["address"].as_str().unwrap().parse().unwrap();
            let ports = host["ports"].as_array().unwrap().iter();
            ports.map(move |p| SocketAddr::new(addr, p["port"].as_u64().unwrap() as u16))
        })
        .collect();
    assert_eq!(found, open);
    let count = |state: &str| hosts.iter().map(|h| h["counts"][state].as_u64().unwrap_or(0)).sum::<u64>();
    let (closed, filtered) =
        (u64::from(PORTS - 3) * u64::from(REFUSING), u64::from(PORTS - 3) * u64::from(HOSTS - REFUSING));
    assert_eq!((count("open"), count("closed"), count("filtered")), (300, closed, filtered));
    // What was lost was asked again, and what stayed silent twice.
    let connections = results["ledger"]["by_probe"]["connect"].as_u64().unwrap();
    assert!((14_000 + 15_000..=30_000).contains(&connections), "{connections}");
    let notes = results["notes"].as_array().unwrap();
    let widest = notes.iter().find_map(|n| n.as_str()?.strip_suffix(" connections in flight at most")).unwrap();
    println!("lab_connect: {widest} connections in flight at most");
    assert!(widest.parse::<u32>().unwrap() >= 4_000, "{notes:?}");
}
