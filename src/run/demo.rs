//! Six throwaway hosts on 127.0.0.0/8 with real listeners, and a workspace that scans them: the whole chain without
//! root, without a cloud, without a packet off this machine.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::store::atomic;

/// A port of a demo host, and what it does there.
struct Service {
    port: u16,
    talk: Talk,
}

/// How a demo service talks.
#[derive(Clone, Copy)]
enum Talk {
    /// It speaks first, and says no more.
    Greeting(&'static str),
    /// It answers every request with an empty page.
    Web,
    /// It answers `PING` and `INFO` as Redis without a password does.
    Redis,
}

/// One demo host: a name, a state, a role, and its services.
struct Host {
    id: &'static str,
    name: &'static str,
    /// Last octet of its address.
    number: u8,
    state: &'static str,
    role: &'static str,
    services: &'static [Service],
}

const SSH: Service = Service { port: 8022, talk: Talk::Greeting("SSH-2.0-palisade_demo\r\n") };
const WEB: Service = Service { port: 8080, talk: Talk::Web };
const WEB_TLS: Service = Service { port: 8443, talk: Talk::Web };
const CACHE: Service = Service { port: 6379, talk: Talk::Redis };
const MAIL: Service = Service { port: 2525, talk: Talk::Greeting("220 mail.example ESMTP\r\n") };

/// Third octets that are tried in turn, so that several demos can run at once.
const NETWORKS: std::ops::Range<u8> = 90..190;

/// The hosts. `stopped` and `intern` must not be touched: one is terminated, the other does not carry the tag.
const HOSTS: &[Host] = &[
    Host {
        id: "i-0demo000000000001",
        name: "web-1",
        number: 1,
        state: "running",
        role: "web",
        services: &[WEB, WEB_TLS],
    },
    Host {
        id: "i-0demo000000000002",
        name: "web-2",
        number: 2,
        state: "running",
        role: "web",
        services: &[WEB, WEB_TLS, SSH],
    },
    Host { id: "i-0demo000000000003", name: "cache", number: 3, state: "running", role: "cache", services: &[CACHE] },
    Host { id: "i-0demo000000000004", name: "mail", number: 4, state: "running", role: "mail", services: &[MAIL, SSH] },
    Host { id: "i-0demo000000000005", name: "stopped", number: 5, state: "terminated", role: "web", services: &[SSH] },
    Host { id: "i-0demo000000000006", name: "intern", number: 6, state: "running", role: "lab", services: &[SSH] },
];

const JOB: &str = r#"# The demo: four of these six hosts are ours to scan; see `palisade why demo stopped`.
connector "demo" {
  provider = file
  path     = "inventory.json"
}

tag "perimeter" {
  query = not aws.tags: (key: role and value: lab) and not aws.ec2.publicIpAddress is null
}

profile "demo" {
  tcp        = [2525, 6379, 8000-8100, 8443]
  udp        = none
  ping       = [tcp(8080)]
  dead_hosts = scan
  rate       = 5000/s
  per_host   = 2000/s
  retries    = 1
}

scan "demo" {
  connector = "demo"
  profile   = "demo"

  targets {
    include = any ["perimeter"]
  }
}
"#;

/// Listeners that run until this value is dropped.
pub struct Demo {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Third octet of the hosts' addresses.
    pub network: u8,
    /// Hosts and services in words, one line a host.
    pub summary: Vec<String>,
}

/// How often an idle listener looks whether it should end.
const IDLE: Duration = Duration::from_millis(10);

impl Demo {
    /// Starts the hosts and writes the workspace that knows them into a folder.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let (network, listeners) = free_network()?;
        fs::create_dir_all(folder)?;
        atomic::write(&folder.join("demo.pal"), JOB.as_bytes())?;
        atomic::write(&folder.join("inventory.json"), inventory(network).as_bytes())?;
        let mut demo = Self { network, stop: Arc::default(), threads: Vec::new(), summary: Vec::new() };
        for (listener, talk) in listeners {
            let stop = Arc::clone(&demo.stop);
            demo.threads.push(std::thread::spawn(move || serve(&listener, talk, &stop)));
        }
        for host in HOSTS {
            let ports: Vec<String> = host.services.iter().map(|s| s.port.to_string()).collect();
            demo.summary.push(format!(
                "{:9} {:10} {:11} role={:6} listens on {}",
                host.name,
                host.addr(network),
                host.state,
                host.role,
                ports.join(", ")
            ));
        }
        Ok(demo)
    }
}

impl Host {
    fn addr(&self, network: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, network, self.number)
    }
}

/// The first network on which every service can listen.
fn free_network() -> io::Result<(u8, Vec<(TcpListener, Talk)>)> {
    let mut last = io::Error::other("no network was tried");
    for network in NETWORKS {
        match listeners(network) {
            Ok(listeners) => return Ok((network, listeners)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn listeners(network: u8) -> io::Result<Vec<(TcpListener, Talk)>> {
    let mut all = Vec::new();
    for host in HOSTS {
        for service in host.services {
            let at = SocketAddr::from((host.addr(network), service.port));
            let listener = TcpListener::bind(at).map_err(|e| io::Error::new(e.kind(), format!("{at}: {e}")))?;
            listener.set_nonblocking(true)?;
            all.push((listener, service.talk));
        }
    }
    Ok(all)
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // A listener that panicked has nothing left to clean up.
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, talk: Talk, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => answer(stream, talk),
            Err(_) => std::thread::sleep(IDLE),
        }
    }
}

/// One short exchange; a client that goes away early is none of the demo's business.
fn answer(mut stream: TcpStream, talk: Talk) {
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_read_timeout(Some(IDLE));
    if let Talk::Greeting(greeting) = talk {
        let _ = stream.write_all(greeting.as_bytes());
        return;
    }
    let mut request = [0; 512];
    while let Ok(read @ 1..) = stream.read(&mut request) {
        let reply = match talk {
            Talk::Redis => redis(request.get(..read).unwrap_or_default()),
            Talk::Web | Talk::Greeting(_) => PAGE.to_vec(),
        };
        if stream.write_all(&reply).is_err() || !matches!(talk, Talk::Redis) {
            return;
        }
    }
}

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: palisade-demo\r\nContent-Length: 0\r\n\r\n";

/// The answer to a command, given whole in one read, as the demo's own scan sends it.
fn redis(request: &[u8]) -> Vec<u8> {
    let asks = |word: &[u8]| request.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
    if asks(b"\r\nPING\r\n") {
        b"+PONG\r\n".to_vec()
    } else if asks(b"\r\nINFO\r\n") {
        let text = "# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\n";
        format!("${}\r\n{text}\r\n", text.len()).into_bytes()
    } else {
        b"-ERR unknown command\r\n".to_vec()
    }
}

/// The hosts as `aws ec2 describe-instances` would print them.
fn inventory(network: u8) -> String {
    let instances: Vec<String> = HOSTS
        .iter()
        .enumerate()
        .map(|(n, host)| {
            format!(
                r#"    {{"InstanceId": "{}", "InstanceType": "t3.small", "ImageId": "ami-0demo", "State": {{"Name": "{}"}},
     "Placement": {{"AvailabilityZone": "us-east-1a"}}, "VpcId": "vpc-0demo", "SubnetId": "subnet-0demo",
     "PrivateIpAddress": "10.90.0.{}", "PublicIpAddress": "{}", "LaunchTime": "2026-01-01T00:00:00Z",
     "Tags": [{{"Key": "Name", "Value": "{}"}}, {{"Key": "role", "Value": "{}"}}]}}"#,
                host.id,
                host.state,
                n + 1,
                host.addr(network),
                host.name,
                host.role
            )
        })
        .collect();
    format!(
        "{{\"Reservations\": [{{\"OwnerId\": \"123456789012\", \"Instances\": [\n{}\n]}}]}}\n",
        instances.join(",\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_demo_service_answers() {
        let folder = std::env::temp_dir().join(format!("palisade-demo-test-{}", std::process::id()));
        let demo = Demo::start(&folder).unwrap();
        for host in HOSTS {
            for service in host.services {
                let mut stream = TcpStream::connect((host.addr(demo.network), service.port)).unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                let mut text = String::new();
                let _ = stream.read_to_string(&mut text);
                let want = match service.talk {
                    Talk::Greeting(greeting) => greeting,
                    Talk::Web => "HTTP/1.1 200 OK",
                    Talk::Redis => "-ERR unknown command",
                };
                assert!(text.starts_with(want), "{}:{} said {text:?}", host.name, service.port);
            }
        }
        assert_eq!(demo.summary.len(), 6);
        drop(demo);
        fs::remove_dir_all(folder).unwrap();
    }
}
