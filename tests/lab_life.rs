//! A scan's life on a real network: killed at random moments and resumed, paused, told to leave addresses alone. Same
//! namespaces and the same rules as `lab.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use palisade::scan::observation::ProbeKind;
use palisade::store::Store;

use crate::cli::TempDir;
use crate::lab::{Lab, instances, sent};

const HOSTS: u8 = 30;
/// One port in ten is open on each host.
const PORTS: std::ops::RangeInclusive<u16> = 2_001..=2_060;
const KILLS: usize = 20;
/// For a scan that is longer than twenty kills, and its packets a second.
const MANY_PORTS: std::ops::RangeInclusive<u16> = 2_001..=2_200;
const KILL_RATE: u64 = 1_000;

fn host(n: u8) -> IpAddr {
    Ipv4Addr::new(198, 18, 9, n).into()
}

fn truth() -> BTreeSet<SocketAddr> {
    truth_of(PORTS)
}

fn truth_of(ports: std::ops::RangeInclusive<u16>) -> BTreeSet<SocketAddr> {
    (1..=HOSTS)
        .flat_map(|h| {
            ports.clone().filter(move |p| (p + u16::from(h) * 3) % 10 == 0).map(move |p| SocketAddr::new(host(h), p))
        })
        .collect()
}

fn inventory() -> String {
    instances((1..=HOSTS).map(|h| (format!("life-{h}"), host(h))))
}

const JOB: &str = r#"
connector "lab" {
  provider = file
  path     = "inventory.json"
}

profile "slow" {
  tcp        = [PORTS]
  udp        = none
  ping       = []
  dead_hosts = scan
  checks     = []
  rate       = RATE/s
  retries    = 1
}

scan "life" {
  connector = "lab"
  profile   = "slow"

  targets { where = gcp.compute.state: RUNNING }
}
"#;

/// A running process whose output is read all the time: one that waits for a reader would never end.
struct Running {
    child: Child,
    out: JoinHandle<Vec<u8>>,
    err: JoinHandle<Vec<u8>>,
}

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

impl Running {
    fn finish(mut self) -> Output {
        let status = self.child.wait().unwrap();
        Output { status, stdout: self.out.join().unwrap(), stderr: self.err.join().unwrap() }
    }
}

/// A workspace beside a lab with listeners.
struct Site {
    lab: Lab,
    folder: TempDir,
}

impl Site {
    fn build(tag: &str, rate: u64) -> Option<(Self, Vec<std::net::TcpListener>)> {
        Self::of(tag, rate, PORTS)
    }

    fn of(tag: &str, rate: u64, ports: std::ops::RangeInclusive<u16>) -> Option<(Self, Vec<std::net::TcpListener>)> {
        let lab = Lab::build(tag)?;
        let folder = TempDir::new(&format!("life-{tag}"));
        fs::write(folder.0.join("inventory.json"), inventory()).unwrap();
        fs::write(
            folder.0.join("life.pal"),
            JOB.replace("RATE", &rate.to_string())
                .replace("PORTS", &format!("{}-{}", ports.start(), ports.end()))
                .as_str(),
        )
        .unwrap();
        let listeners = lab.listen(&truth_of(ports));
        Some((Self { lab, folder }, listeners))
    }

    fn palisade(&self, args: &[&str]) -> Command {
        let mut command = self.lab.in_scanner(Path::new(env!("CARGO_BIN_EXE_palisade")));
        command.args(args).arg("-C").arg(&self.folder.0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `ip` with the names of the two namespaces filled in.
    fn ip(&self, step: &str) {
        let step = step.replace("SCANNER", &self.lab.scanner).replace("TARGETS", &self.lab.targets);
        assert!(Command::new("ip").args(step.split(' ')).status().unwrap().success(), "ip {step}");
    }

    fn start(&self, args: &[&str]) -> Running {
        let mut child = self.palisade(args).spawn().unwrap();
        let (out, err) = (drain(child.stdout.take().unwrap()), drain(child.stderr.take().unwrap()));
        Running { child, out, err }
    }

    /// When the run's last checkpoint was made: it stands behind the mark and the plan's number. Milliseconds since 1970.
    fn checkpoint(&self) -> Option<u64> {
        let runs = fs::read_dir(self.folder.0.join(".palisade/runs")).ok()?;
        let checkpoint = runs.filter_map(|run| fs::read(run.ok()?.path().join("checkpoint")).ok()).next()?;
        checkpoint.get(12..20).map(|at| u64::from_le_bytes(at.try_into().unwrap()))
    }

    /// When the run's control file was last written to. Milliseconds since 1970.
    fn told_at(&self) -> u64 {
        let runs = fs::read_dir(self.folder.0.join(".palisade/runs")).unwrap();
        let files = runs.map(|run| run.unwrap().path().join("control"));
        let written = files.filter_map(|file| fs::metadata(file).ok()?.modified().ok()).max().unwrap();
        written.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
    }

    fn clock_ms(&self) -> u64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
    }

    /// Frames that have left the scanner's interface.
    fn left(&self) -> u64 {
        let link =
            Command::new("ip").args(["-n", &self.lab.scanner, "-s", "-j", "link", "show", "s0"]).output().unwrap();
        let link: serde_json::Value = serde_json::from_slice(&link.stdout).unwrap();
        link[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
    }

    /// Waits until so many more frames have left; false where the process ended before.
    fn after(&self, frames: u64, process: &mut Running) -> bool {
        let until = self.left() + frames;
        while self.left() < until {
            if process.child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }
}

/// When each SYN left for a target, in milliseconds since 1970, and for which port; in the order captured.
fn asked(capture: &[u8]) -> Vec<(u64, (IpAddr, u16))> {
    let word = |at: usize| u64::from(u32::from_le_bytes(capture[at..at + 4].try_into().unwrap()));
    let (mut at, mut found) = (24, Vec::new());
    while at + 16 <= capture.len() {
        let (ms, len) = (word(at) * 1_000 + word(at + 4) / 1_000, word(at + 8) as usize);
        let frame = &capture[at + 16..at + 16 + len];
        at += 16 + len;
        // IPv4, TCP, SYN alone.
        if len >= 54 && frame[12..14] == [8, 0] && frame[23] == 6 && frame[47] & 0x12 == 0x02 {
            let addr: [u8; 4] = frame[30..34].try_into().unwrap();
            found.push((ms, (addr.into(), u16::from_be_bytes([frame[36], frame[37]]))));
        }
    }
    found
}

fn found(output: &[u8]) -> BTreeSet<SocketAddr> {
    let results: serde_json::Value = serde_json::from_slice(output).unwrap();
    let mut found = BTreeSet::new();
    for host in results["hosts"].as_array().unwrap() {
        let ip: IpAddr = host["address"].as_str().unwrap().parse().unwrap();
        let ports = host["ports"].as_array().unwrap();
        found.extend(ports.iter().map(|p| SocketAddr::new(ip, p["port"].as_u64().unwrap() as u16)));
    }
    found
}

/// Packets to each port of each host, as captured.
fn packets(capture: &[u8]) -> BTreeMap<(IpAddr, u16), u32> {
    let mut all = sent(capture, &["192.0.2.2".parse().unwrap()]);
    all.retain(|(addr, _), _| *addr != IpAddr::from([192, 0, 2, 1]));
    all
}

#[test]
fn killed_at_twenty_moments_and_resumed_it_finds_what_an_uninterrupted_scan_finds() {
    let Some((site, listeners)) = Site::of("k", KILL_RATE, MANY_PORTS) else {
        println!("skipped: lab_life::killed needs root, ip and tcpdump");
        return;
    };
    let capture_file = site.folder.0.join("capture.pcap");
    let mut tcpdump = site.lab.capture(&capture_file);
    let mut dice = 0x9e37_79b9u64;
    let mut kills = 0;
    // When the checkpoint was made that each kill left behind, if any, right before and after it was killed: milliseconds
    // since 1970.
    let mut marks: Vec<(Option<u64>, u64, u64)> = Vec::new();
    let mut process = site.start(&["run", "life", "--offline", "--format", "json", "--mode", "raw"]);
    let output = loop {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        if kills == KILLS || !site.after(20 + dice % (KILL_RATE / 2), &mut process) {
            break process.finish();
        }
        // `ip netns exec` has become the scanner itself, so this is the scanner's own process.
        let sending = site.clock_ms();
        process.child.kill().unwrap();
        let ended = process.finish();
        kills += 1;
        // It may have been done already, and killed on its way out.
        let listed = site.palisade(&["scans", "show", "latest"]).output().unwrap();
        if String::from_utf8_lossy(&listed.stdout).contains("finished") {
            let fetched = site.palisade(&["scans", "fetch", "latest", "--format", "json"]).output().unwrap();
            break if serde_json::from_slice::<serde_json::Value>(&ended.stdout).is_ok() { ended } else { fetched };
        }
        marks.push((site.checkpoint(), sending, site.clock_ms()));
        process = site.start(&["scans", "resume", "latest", "--format", "json", "--mode", "raw"]);
    };
    let capture = site.lab.seal(&capture_file);
    Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
    tcpdump.wait().unwrap();
    drop(listeners);
    assert!(matches!(output.status.code(), Some(0) | None), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(found(&output.stdout), truth_of(MANY_PORTS), "after {kills} kills");
    assert_eq!(kills, KILLS, "the scan was over before");
    let packets = packets(&capture);
    let pairs = usize::from(HOSTS) * MANY_PORTS.count();
    assert_eq!(packets.len(), pairs, "each pair was asked, and nothing else");
    // Every port answers, so one packet each is enough. Again came only what left after the last checkpoint before a
    // kill: with a checkpoint every 0.4 s, and a moment to write it, below 0.7 s of sending a kill.
    let again = packets.values().map(|n| *n as usize - 1).sum::<usize>();
    assert!(again <= kills * KILL_RATE as usize * 7 / 10, "{again} packets again after {kills} kills");
    // Pair by pair: what a part of the run sent before its last checkpoint, it or one before it knows, and nobody asks
    // again. An answer takes well below a millisecond here; 50 are allowed.
    let asked = asked(&capture);
    let (mut known, mut part) = (BTreeSet::new(), 0);
    for (checkpoint, sending, killed) in marks {
        let still = asked.iter().any(|(at, _)| (sending.saturating_sub(100)..=killed).contains(at));
        assert!(still, "nothing was being sent when it was killed");
        let end = checkpoint.unwrap_or(0).saturating_sub(50);
        known.extend(asked.iter().filter(|(at, _)| (part..end).contains(at)).map(|(_, pair)| *pair));
        let after = asked.iter().filter(|(at, _)| *at > killed).map(|(_, pair)| *pair);
        let twice = after.filter(|pair| known.contains(pair)).count();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(twice, 0, "asked before a checkpoint and again after the kill: {}", told["notes"]);
        part = killed;
    }
    assert!(known.len() > 300, "{}", known.len());
}

#[test]
fn paused_scans_go_on_and_exclusions_stay() {
    let Some((site, listeners)) = Site::build("p", 400) else {
        println!("skipped: lab_life::paused needs root, ip and tcpdump");
        return;
    };
    let capture_file = site.folder.0.join("capture.pcap");
    let mut tcpdump = site.lab.capture(&capture_file);
    let mut process = site.start(&["run", "life", "--offline", "--mode", "raw", "--format", "json"]);
    assert!(site.after(150, &mut process), "it ended early");
    let excluded = site.palisade(&["scans", "exclude", "latest", "198.18.9.4-198.18.9.6"]).output().unwrap();
    assert_eq!(excluded.status.code(), Some(0), "{}", String::from_utf8_lossy(&excluded.stderr));
    assert!(site.after(200, &mut process), "it ended early");
    let paused = site.palisade(&["scans", "pause", "latest"]).output().unwrap();
    assert_eq!(paused.status.code(), Some(0), "{}", String::from_utf8_lossy(&paused.stderr));
    assert!(String::from_utf8_lossy(&paused.stderr).contains("is paused"));
    let first = process.finish();
    assert_eq!(first.status.code(), Some(3));
    let resumed = site.palisade(&["scans", "resume", "latest", "--format", "json"]).output().unwrap();
    assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
    let again = site.palisade(&["scans", "pause", "latest"]).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "a finished scan cannot be paused");
    let capture = site.lab.seal(&capture_file);
    Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
    tcpdump.wait().unwrap();
    drop(listeners);

    let gone: BTreeSet<IpAddr> = (4..=6).map(host).collect();
    let rest = |all: BTreeSet<SocketAddr>| all.into_iter().filter(|a| !gone.contains(&a.ip())).collect::<BTreeSet<_>>();
    assert_eq!(rest(found(&resumed.stdout)), rest(truth()));
    let packets = packets(&capture);
    for addr in &gone {
        let n = packets.keys().filter(|(a, _)| a == addr).count();
        assert!(n < PORTS.count() / 2, "{n} ports of {addr} were asked");
    }
    // A pause loses nothing: nobody was asked again but for the few whose answer was still on its way.
    let results: serde_json::Value = serde_json::from_slice(&resumed.stdout).unwrap();
    let again: u32 = packets.values().map(|n| n - 1).sum();
    println!("lab_life: {again} packets again after a pause");
    assert!(again <= 36, "{again} packets again");
    assert_eq!(results["ledger"]["total"].as_u64().unwrap(), packets.values().map(|n| u64::from(*n)).sum::<u64>());
}

/// Hosts that were half scanned when a run was paused are talked to and looked at as all others.
#[test]
fn a_pause_hides_nothing() {
    let Some((site, listeners)) = Site::build("h", 1_000) else {
        println!("skipped: lab_life::hides needs root and ip");
        return;
    };
    let job = site.folder.0.join("life.pal");
    fs::write(&job, fs::read_to_string(&job).unwrap().replace("  checks     = []\n", "")).unwrap();
    close_at_once(listeners);
    // Which services were talked to on each host, and what is known of it.
    let known = || {
        let mut store = Store::open(&site.folder.0.join(".palisade")).unwrap();
        let reference = store.run("latest").unwrap().reference;
        let hosts = store.evidence(&reference).unwrap().into_iter().map(|h| {
            let services: BTreeSet<u16> = h.services.iter().map(|s| s.port).collect();
            (h.addr, services, h.facts.iter().map(|(path, _)| path.to_owned()).collect::<BTreeSet<_>>())
        });
        hosts.collect::<Vec<_>>()
    };
    let args = ["run", "life", "--offline", "--mode", "raw", "--format", "json"];
    let mut process = site.start(&args);
    assert!(site.after(600, &mut process), "it ended early");
    assert_eq!(site.palisade(&["scans", "pause", "latest"]).output().unwrap().status.code(), Some(0));
    assert_eq!(process.finish().status.code(), Some(3));
    assert!(known().iter().any(|(_, services, _)| services.is_empty()), "nothing was half scanned");
    let resumed = site.palisade(&["scans", "resume", "latest", "--format", "json"]).output().unwrap();
    assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
    let after_pause = known();
    let ports = after_pause.iter().flat_map(|(addr, ports, _)| ports.iter().map(|p| SocketAddr::new(*addr, *p)));
    assert_eq!(ports.collect::<BTreeSet<_>>(), truth());
    assert_eq!(site.start(&args).finish().status.code(), Some(0));
    assert_eq!(after_pause, known());
}

/// Whoever is silent takes long to talk to.
fn close_at_once(listeners: Vec<std::net::TcpListener>) {
    listeners.into_iter().for_each(|l| drop(std::thread::spawn(move || l.incoming().for_each(drop))));
}

/// A checkpoint holds what the scan has sent, not what conversations and the closer look have: that stays counted too.
#[test]
fn what_was_sent_in_conversations_stays_counted_over_a_pause() {
    let Some((site, listeners)) = Site::build("t", 5_000) else {
        println!("skipped: lab_life::conversations needs root and ip");
        return;
    };
    let job = site.folder.0.join("life.pal");
    fs::write(&job, fs::read_to_string(&job).unwrap().replace("  checks     = []\n", "")).unwrap();
    let mut process = site.start(&["run", "life", "--offline", "--mode", "raw", "--format", "json"]);
    let pairs = u64::from(HOSTS) * PORTS.count() as u64;
    assert!(site.after(pairs + 300, &mut process), "it ended early");
    let paused = site.palisade(&["scans", "pause", "latest"]).output().unwrap();
    assert_eq!(paused.status.code(), Some(0), "{}", String::from_utf8_lossy(&paused.stderr));
    let first: serde_json::Value = serde_json::from_slice(&process.finish().stdout).unwrap();
    assert_eq!(first["coverage"]["done"].as_u64(), Some(pairs), "it was paused while it talked");
    close_at_once(listeners);
    let resumed = site.palisade(&["scans", "resume", "latest", "--format", "json"]).output().unwrap();
    assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
    let whole: serde_json::Value = serde_json::from_slice(&resumed.stdout).unwrap();
    let talk = |results: &serde_json::Value| results["ledger"]["by_probe"]["talk"].as_u64().unwrap();
    let mut store = Store::open(&site.folder.0.join(".palisade")).unwrap();
    let reference = store.run("latest").unwrap().reference;
    let parts = store.ledgers(&reference).unwrap();
    let talks: Vec<u64> = parts.iter().filter_map(|(_, l)| l.by_probe().remove(&ProbeKind::Talk)).collect();
    assert!(talks.len() == 2 && talks[0] == talk(&first) && talks[0] > 0, "{talks:?}");
    assert_eq!(talk(&whole), talks.iter().sum::<u64>());
    assert_eq!(whole["ledger"]["total"].as_u64(), Some(store.ledger(&reference).unwrap().total()));
    assert!(whole["ledger"]["by_probe"]["syn"].as_u64() >= Some(pairs));
    assert_eq!(found(&resumed.stdout), truth());
}

/// How long after `scans exclude` has written its wish something still leaves for the excluded hosts: at most 250 ms for
/// most of them; a busy machine may stop this test itself for longer once, and the figure is told.
#[test]
fn an_exclusion_takes_effect_while_the_scan_runs() {
    let Some((site, _listeners)) = Site::build("x", 600) else {
        println!("skipped: lab_life::exclusion needs root, ip and tcpdump");
        return;
    };
    let capture_file = site.folder.0.join("capture.pcap");
    let mut tcpdump = site.lab.capture(&capture_file);
    let mut process = site.start(&["run", "life", "--offline", "--mode", "raw", "--format", "json"]);
    let mut told = Vec::new();
    let hosts: Vec<u8> = (1..=6).collect();
    for n in &hosts {
        assert!(site.after(120, &mut process), "the scan ended early");
        let excluded = site.palisade(&["scans", "exclude", "latest", &host(*n).to_string()]).output().unwrap();
        assert_eq!(excluded.status.code(), Some(0), "{}", String::from_utf8_lossy(&excluded.stderr));
        told.push((host(*n), site.told_at()));
    }
    let output = process.finish();
    let capture = site.lab.seal(&capture_file);
    Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
    tcpdump.wait().unwrap();
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let notes = results["notes"].to_string();
    let asked = asked(&capture);
    let mut late = Vec::new();
    for (addr, told) in told {
        let own: Vec<u64> = asked.iter().filter(|(_, (a, _))| *a == addr).map(|(at, _)| *at).collect();
        assert!(own.len() < PORTS.count(), "{addr} was asked for everything");
        assert!(notes.contains(&format!("excluded while the scan ran: {addr}")), "{notes}");
        late.push(own.last().map_or(0, |last| last.saturating_sub(told)));
    }
    late.sort_unstable();
    println!("lab_life: last packet after an exclusion was told, ms: {late:?}");
    assert!(late[hosts.len() / 2] <= 250 && late[hosts.len() - 1] < 1_000, "{late:?}");
    // What the gate let through is what the capture holds.
    assert_eq!(results["ledger"]["total"].as_u64(), Some(asked.len() as u64));
    assert_eq!(results["ledger"]["refused"], 0);
}

/// Runs the scan with something happening to the network in its midst; the results, and what was told.
fn disturbed(tag: &str, before: &[&str], midst: impl FnOnce(&Site)) -> Option<(Output, serde_json::Value)> {
    let Some((site, _listeners)) = Site::build(tag, 400) else {
        println!("skipped: lab_life::disturbed needs root, ip and tcpdump");
        return None;
    };
    before.iter().for_each(|step| site.ip(step));
    let mut run = site.start(&["run", "life", "--offline", "--format", "json", "--mode", "raw", "--seed", "7"]);
    assert!(site.after(300, &mut run), "the scan ended early");
    midst(&site);
    let output = run.finish();
    let results = serde_json::from_slice(&output.stdout).unwrap();
    Some((output, results))
}

#[test]
fn a_gateway_that_changes_is_followed() {
    let change = |site: &Site| site.ip("-n SCANNER route change 198.18.0.0/15 via 192.0.2.9");
    let Some((output, results)) = disturbed("gw", &["-n TARGETS addr add 192.0.2.9/24 dev t0"], change) else { return };
    assert_eq!(output.status.code(), Some(0), "{results}");
    assert_eq!(found(&output.stdout), truth());
    let notes = results["notes"].to_string();
    assert!(notes.contains("the route to 30 targets changed while the scan ran"), "{notes}");
    assert!(results["ledger"]["upkeep"].as_u64() >= Some(2), "both gateways were asked for their hardware address");
}

#[test]
fn a_gateway_that_does_not_answer_is_no_gateway() {
    let change = |site: &Site| site.ip("-n SCANNER route change 198.18.0.0/15 via 192.0.2.77");
    let Some((output, results)) = disturbed("ng", &[], change) else { return };
    assert_eq!(output.status.code(), Some(3), "{results}");
    let errors = results["errors"].to_string();
    assert!(errors.contains("30 targets have a new gateway that does not answer"), "{errors}");
    assert_eq!(results["not_scanned"].as_array().unwrap().len(), usize::from(HOSTS));
    let found = found(&output.stdout);
    assert!(!found.is_empty() && found.is_subset(&truth()));
    assert!(results["coverage"]["done"].as_u64() < results["coverage"]["planned"].as_u64());
}

#[test]
fn an_interface_that_comes_back_ends_nothing() {
    let flap = |site: &Site| {
        site.ip("-n SCANNER link set s0 down");
        // As long as another process takes to look at the store.
        assert!(site.palisade(&["scans", "list"]).output().unwrap().status.success());
        site.ip("-n SCANNER link set s0 up");
    };
    let Some((output, results)) = disturbed("fl", &[], flap) else { return };
    assert_eq!(output.status.code(), Some(0), "{results}");
    assert_eq!(found(&output.stdout), truth());
    let notes = results["notes"].to_string();
    assert!(notes.contains("the interface went down while the scan ran"), "{notes}");
}

#[test]
fn an_interface_that_goes_keeps_what_was_known() {
    let Some((site, _listeners)) = Site::build("gone", 400) else {
        println!("skipped: lab_life::interface needs root, ip and tcpdump");
        return;
    };
    let mut run = site.start(&["run", "life", "--offline", "--format", "json", "--mode", "raw", "--seed", "7"]);
    assert!(site.after(300, &mut run), "the scan ended before its interface went");
    assert!(Command::new("ip").args(["-n", &site.lab.scanner, "link", "del", "s0"]).status().unwrap().success());
    let output = run.finish();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!results["errors"].as_array().unwrap().is_empty(), "{results}");
    let found = found(&output.stdout);
    assert!(!found.is_empty() && found.is_subset(&truth()), "{found:?}");
    assert!(results["coverage"]["done"].as_u64() < results["coverage"]["planned"].as_u64());
}

/// Three scanners share a scan: what each sent, by its ledger and by the capture, is disjoint, and together the whole.
#[test]
fn shards_share_a_scan() {
    let Some((site, _listeners)) = Site::build("sh", 5_000) else {
        println!("skipped: lab_life::shards needs root, ip and tcpdump");
        return;
    };
    let capture_file = site.folder.0.join("capture.pcap");
    let mut tcpdump = site.lab.capture(&capture_file);
    let (mut open, mut sent) = (BTreeSet::new(), 0);
    let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
    for (number, shard) in ["1/3", "2/3", "3/3"].iter().enumerate() {
        // Other seeds, other orders of probes: the shards are those of the plan.
        let seed = number.to_string();
        let args = ["run", "life", "--offline", "--format", "json", "--mode", "raw", "--seed", &seed, "--shard", shard];
        let output = site.start(&args).finish();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let own: Vec<&str> =
            results["hosts"].as_array().unwrap().iter().map(|h| h["address"].as_str().unwrap()).collect();
        assert_eq!(own.len(), usize::from(HOSTS) / 3);
        own.iter().for_each(|host| *hosts.entry((*host).to_owned()).or_default() += 1);
        assert_eq!(results["coverage"]["done"], results["coverage"]["planned"]);
        assert_eq!(results["not_scanned"].as_array().unwrap().len(), 0);
        sent += results["ledger"]["total"].as_u64().unwrap();
        open.extend(found(&output.stdout));
    }
    let capture = site.lab.seal(&capture_file);
    Command::new("kill").args(["-INT", &tcpdump.id().to_string()]).status().unwrap();
    tcpdump.wait().unwrap();
    assert_eq!(open, truth());
    assert!(hosts.len() == usize::from(HOSTS) && hosts.values().all(|n| *n == 1), "{hosts:?}");
    let packets = packets(&capture);
    assert_eq!(packets.values().map(|n| u64::from(*n)).sum::<u64>(), sent, "ledgers and capture");
    assert_eq!(packets.len(), usize::from(HOSTS) * PORTS.count());
}

#[test]
fn a_target_without_a_route_is_said_and_the_others_are_scanned() {
    let Some((site, _listeners)) = Site::build("route", 5_000) else {
        println!("skipped: lab_life::route needs root, ip and tcpdump");
        return;
    };
    let inventory = inventory().replacen("\"items\":[", &format!("\"items\":[{},", STRANDED), 1);
    fs::write(site.folder.0.join("inventory.json"), inventory).unwrap();
    let output = site.start(&["run", "life", "--offline", "--format", "json", "--mode", "raw", "--seed", "7"]).finish();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {told}"));
    assert_eq!(found(&output.stdout), truth(), "{told}");
    let left: Vec<&str> =
        results["not_scanned"].as_array().unwrap().iter().map(|n| n["reason"].as_str().unwrap()).collect();
    assert_eq!(left, ["no route"], "{told}");
    // It is neither dead nor excluded: what is not known of it is not clean.
    assert_eq!((output.status.code(), &results["summary"]["status"]), (Some(3), &"Incomplete".into()), "{told}");
    assert!(told.contains("1 targets were not scanned"), "{told}");
}

/// A machine at an address that no route of the laboratory leads to.
const STRANDED: &str = r#"{"id":"9999999","name":"stranded","status":"RUNNING",
    "zone":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a",
    "selfLink":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a/instances/stranded",
    "machineType":"zones/us-central1-a/machineTypes/e2-small",
    "networkInterfaces":[{"name":"nic0","networkIP":"10.0.0.99","network":"global/networks/default",
    "accessConfigs":[{"natIP":"203.0.113.9"}]}]}"#;
