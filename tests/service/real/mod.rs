//! Real servers in a namespace of their own, the whole chain against them in raw mode, and a truth for each host, told in
//! advance: which ports are open, what was recognised on each, facts, and every finding. What is missed and what is false
//! both fail the test; the table that it prints says how much was looked at.
//!
//! Needs root, `ip`, `tcpdump` and the servers; what is missing is skipped, and said by name.

mod datagrams;
mod logins;
mod stores;
mod truth;
mod web;

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use palisade::lang::job::Protocol;
use palisade::store::Store;

use self::truth::{Host, Table};
use crate::lab::Lab;

/// Folder of one test run, which every user of the machine may enter: servers give up root.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("palisade-real-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        done(Command::new("chmod").arg("755").arg(&path));
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where servers are started: a namespace with no way out, and a folder.
struct Site {
    lab: Lab,
    folder: Folder,
    /// Namespaces behind it, by the host that is alone in each.
    apart: RefCell<Vec<(u8, String)>>,
}

impl Drop for Site {
    fn drop(&mut self) {
        for (_, name) in self.apart.borrow().iter() {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

impl Site {
    /// A program in the servers' namespace.
    fn run(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.lab.targets]).arg(program).stdin(Stdio::null());
        command.current_dir(&self.folder.0);
        command
    }

    /// The same with arguments; `@D` is the folder.
    fn line(&self, line: &str) -> Command {
        let line = self.text(line);
        let mut words = line.split_whitespace();
        let mut command = self.run(words.next().unwrap());
        command.args(words);
        command
    }

    /// A script that runs its arguments with a `/run` of their own, for servers that may be there only once. Mounts inside
    /// `ip netns exec` are seen by nobody else.
    fn private_run(&self) {
        self.write("private-run", "mount -t tmpfs none /run && exec \"$@\"\n");
    }

    /// A host alone in a namespace behind the servers', for a server that listens on every address there is.
    fn apart(&self, number: u8, line: &str) -> Command {
        let (inner, outer) = (format!("{}-{number}", self.lab.targets), &self.lab.targets);
        self.apart.borrow_mut().push((number, inner.clone()));
        for step in [
            format!("netns add {inner}"),
            format!("-n {outer} link add w{number} type veth peer name a0 netns {inner}"),
            format!("-n {outer} link set w{number} up"),
            format!("-n {inner} link set lo up"),
            format!("-n {inner} link set a0 up"),
            format!("-n {inner} addr add 198.18.91.{number}/32 dev a0"),
            format!("-n {inner} route add 192.0.2.1/32 dev a0"),
            format!("-n {inner} route add 192.0.2.0/24 via 192.0.2.1"),
            // The more special route of the two: all others of these addresses are the servers' own.
            format!("-n {outer} route add 198.18.91.{number}/32 dev w{number} table local"),
            format!("netns exec {outer} sysctl -qw net.ipv4.ip_forward=1"),
        ] {
            done(Command::new("ip").args(step.split(' ')));
        }
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &inner]).args(self.text(line).split_whitespace()).stdin(Stdio::null());
        command.current_dir(&self.folder.0);
        command
    }

    fn text(&self, text: &str) -> String {
        text.replace("@D", self.folder.0.to_str().unwrap())
    }

    /// Runs to its end outside of the namespaces, quietly; `@D` is the folder.
    fn prepare(&self, line: &str) {
        let line = self.text(line);
        let mut words = line.split_whitespace();
        done(Command::new(words.next().unwrap()).args(words).current_dir(&self.folder.0));
    }

    /// Writes a file of the folder; `@D` is the folder.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, self.text(text)).unwrap();
        path
    }

    fn make_folder(&self, name: &str) {
        fs::create_dir_all(self.folder.0.join(name)).unwrap();
    }

    /// Gives an address of a host to the interface, for servers that look for one.
    fn hold(&self, address: &str) {
        let args = ["-n", &self.lab.targets, "addr", "add", address, "dev", "t0"];
        done(Command::new("ip").args(args));
    }

    /// Waits until something listens there.
    fn listening(&self, host: &Host) {
        let ports: Vec<(u16, Protocol, SocketAddr)> =
            host.ports.keys().map(|(port, protocol)| (*port, *protocol, SocketAddr::new(host.addr(), *port))).collect();
        let apart = self.apart.borrow().iter().find(|(n, _)| *n == host.number).map(|(_, name)| name.clone());
        Lab::inside(&apart.unwrap_or_else(|| self.lab.targets.clone()), move || {
            let start = Instant::now();
            for (port, protocol, at) in ports {
                let ready = || match protocol {
                    Protocol::Tcp => TcpStream::connect(at).is_ok(),
                    Protocol::Udp => bound(port),
                };
                while !ready() {
                    assert!(start.elapsed() < Duration::from_secs(90), "{at} does not listen");
                    std::thread::park_timeout(Duration::from_millis(20));
                }
            }
        });
    }
}

/// Whether any socket for datagrams is bound to the port, in this thread's namespace.
fn bound(port: u16) -> bool {
    let table = fs::read_to_string("/proc/thread-self/net/udp").unwrap();
    table.lines().any(|l| l.split_whitespace().nth(1).is_some_and(|a| a.ends_with(&format!(":{port:04X}"))))
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Servers with children of their own end them when they are asked to end; what is left of a group is ended hard.
        let kill = |signal: &str, whom: String| {
            let _ = Command::new("kill").args([signal, "--", &whom]).stderr(Stdio::null()).status();
        };
        kill("-TERM", self.0.id().to_string());
        let start = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(8) {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        kill("-KILL", format!("-{}", self.0.id()));
        let _ = self.0.wait();
    }
}

/// One kind of server: what it needs, how it is started, what must be found.
struct Kind {
    name: &'static str,
    programs: &'static [&'static str],
    start: fn(&Site) -> Vec<Command>,
    /// File of `truth/`.
    truth: &'static str,
}

const KINDS: &[&[Kind]] = &[logins::KINDS, web::KINDS, stores::KINDS, datagrams::KINDS];

/// Folders of programs that are not on everybody's path.
const PLACES: &[&str] = &["/usr/lib/ipsec", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

fn there(program: &str) -> bool {
    PLACES.iter().any(|d| Path::new(d).join(program).exists())
}

/// Runs to its end, quietly.
fn done(command: &mut Command) {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}

const JOB: &str = r#"
connector "real" {
  provider = file
  path     = "inventory.json"
}

profile "real" {
  tcp        = @T
  udp        = @U
  ping       = [tcp(22)]
  dead_hosts = scan
  rate       = 5000/s
  per_host   = 2000/s
  retries    = 2
  consent    = [safe, auth, odd]
}

scan "real" {
  connector = "real"
  profile   = "real"

  targets {
    where = gcp.compute.state: RUNNING
  }
}
"#;

/// Every port of any host is asked for on all hosts.
fn job(hosts: &[Host]) -> String {
    let list = |wanted: Protocol| {
        let mut ports: Vec<u16> =
            hosts.iter().flat_map(|h| h.ports.keys()).filter(|(_, p)| *p == wanted).map(|(port, _)| *port).collect();
        ports.sort_unstable();
        ports.dedup();
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        if ports.is_empty() { "none".to_owned() } else { format!("[{}]", ports.join(", ")) }
    };
    JOB.replace("@T", &list(Protocol::Tcp)).replace("@U", &list(Protocol::Udp))
}

fn inventory(hosts: &[Host]) -> String {
    let instance = |host: &Host| {
        let name = host.name.as_ref().map(|n| format!(r#","setPublicPtr":true,"publicPtrDomainName":"{n}.""#));
        format!(
            r#"{{"id":"{n}","name":"real-{n}","status":"RUNNING","labels":{{"owner":"lab"}},
            "zone":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a",
            "selfLink":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a/instances/real-{n}",
            "machineType":"zones/us-central1-a/machineTypes/e2-small",
            "networkInterfaces":[{{"name":"nic0","networkIP":"10.0.0.{n}","network":"global/networks/default",
            "accessConfigs":[{{"natIP":"{}"{}}}]}}]}}"#,
            host.addr(),
            name.unwrap_or_default(),
            n = host.number,
        )
    };
    format!(
        r#"{{"kind":"compute#instanceList","items":[{}]}}"#,
        hosts.iter().map(instance).collect::<Vec<_>>().join(",")
    )
}

/// Starts what this machine has; what it lacks is said by name.
fn start(site: &Site) -> (Vec<Server>, Vec<Host>) {
    let (mut servers, mut hosts) = (Vec::new(), Vec::new());
    // One kind alone, for whoever works on it.
    let only = std::env::var("REAL").unwrap_or_default();
    for kind in KINDS.iter().flat_map(|k| k.iter()).filter(|k| k.name.contains(&only)) {
        if let Some(missing) = kind.programs.iter().find(|p| !there(p)) {
            println!("skipped: service::real::{}: there is no {missing}", kind.name);
            continue;
        }
        for mut command in (kind.start)(site) {
            let log = fs::File::create(site.folder.0.join(format!("{}-{}.log", kind.name, servers.len()))).unwrap();
            // In a group of its own: some end their whole group with themselves.
            command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
            servers.push(Server(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"))));
        }
        let file = format!("{}/tests/service/real/truth/{}.txt", env!("CARGO_MANIFEST_DIR"), kind.truth);
        hosts.extend(truth::read(kind.name, &fs::read_to_string(file).unwrap()));
    }
    let ready = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hosts.iter().for_each(|h| site.listening(h))));
    assert!(ready.is_ok(), "{}", last_words(&site.folder.0));
    (servers, hosts)
}

/// What servers said last, for whoever has to find out why one does not listen.
fn last_words(folder: &Path) -> String {
    let mut words = String::new();
    let mut logs: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    logs.retain(|p| p.extension().is_some_and(|e| e == "log"));
    logs.sort();
    for log in logs {
        let lines: Vec<String> = BufReader::new(fs::File::open(&log).unwrap()).lines().map_while(Result::ok).collect();
        let name = log.file_name().unwrap().to_string_lossy().into_owned();
        lines.iter().rev().take(3).rev().for_each(|l| words += &format!("{name}: {l}\n"));
    }
    words
}

#[test]
fn real_servers_are_told_in_full() {
    let Some(lab) = there("openssl").then(|| Lab::build("z")).flatten() else {
        println!("skipped: service::real needs root, ip, tcpdump and openssl");
        return;
    };
    let site = Site { lab, folder: Folder::new(), apart: RefCell::default() };
    web::certificates(&site);
    let (_servers, hosts) = start(&site);
    site.write("inventory.json", &inventory(&hosts));
    site.write("real.pal", &job(&hosts));
    let output = site
        .lab
        .in_scanner(Path::new(env!("CARGO_BIN_EXE_palisade")))
        .args(["run", "real", "--offline", "--format", "json", "--mode", "raw", "--seed", "7", "-C"])
        .arg(&site.folder.0)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let reference = results["summary"]["reference"].as_str().unwrap();
    let mut store = Store::open(&site.folder.0.join(".palisade")).unwrap();
    let seen = store.evidence(reference).unwrap();
    let findings = store.findings(None).unwrap();
    let table = Table::compare(&hosts, &seen, &findings);
    println!("{table}");
    assert!(table.is_clean(), "{table}{}", table.faults());
}
