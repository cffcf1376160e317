//! Connect mode on loopback through the real binary: few descriptors, full queues, connections reset at once.
#![expect(unsafe_code, reason = "a child gets a low limit of descriptors, and a listener a queue of one")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;

use crate::cli::{TempDir, palisade};

/// A workspace whose inventory holds these hosts of 127.0.0.0/8.
fn workspace(name: &str, hosts: &[String], ports: &str, more: &str) -> TempDir {
    let folder = TempDir::new(name);
    let items: Vec<String> = hosts
        .iter()
        .enumerate()
        .map(|(i, host)| {
            format!(
                r#"{{"id":"{i}","name":"h{i}","status":"RUNNING","zone":"projects/lab/zones/us-central1-a",
                "selfLink":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a/instances/h{i}",
                "machineType":"zones/us-central1-a/machineTypes/e2-small",
                "networkInterfaces":[{{"name":"nic0","networkIP":"10.0.0.1","network":"global/networks/default",
                "accessConfigs":[{{"natIP":"{host}"}}]}}]}}"#
            )
        })
        .collect();
    let inventory = format!(r#"{{"kind":"compute#instanceList","items":[{}]}}"#, items.join(","));
    fs::write(folder.0.join("inventory.json"), inventory).unwrap();
    let job = format!(
        r#"
connector "lab" {{
  provider = file
  path     = "inventory.json"
}}

profile "p" {{
  tcp        = [{ports}]
  udp        = none
  ping       = []
  dead_hosts = scan
  rate       = auto
  per_host   = 1000000/s
  {more}
}}

scan "lab" {{
  connector = "lab"
  profile   = "p"
  targets {{ where = gcp.compute.state: RUNNING }}
}}
"#
    );
    fs::write(folder.0.join("lab.pal"), job).unwrap();
    folder
}

/// Runs the scan; where told so with a limit of descriptors, of which those from a number on are in use already.
fn run(folder: &TempDir, descriptors: Option<(u64, i32)>) -> serde_json::Value {
    let mut command = palisade();
    command.args(["run", "lab", "--offline", "--format", "json", "--mode", "connect", "--seed", "7", "-C"]);
    command.arg(&folder.0);
    if let Some((limit, used_from)) = descriptors {
        // SAFETY: between fork and exec only dup2 and setrlimit are called, plain calls into the kernel.
        unsafe {
            command.pre_exec(move || {
                for number in used_from..limit as i32 {
                    libc::dup2(0, number);
                }
                let limits = libc::rlimit { rlim_cur: limit / 2, rlim_max: limit };
                if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) == 0 {
                    Ok(())
                } else {
                    Err(std::io::Error::last_os_error())
                }
            });
        }
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn open(results: &serde_json::Value) -> BTreeSet<SocketAddr> {
    let mut found = BTreeSet::new();
    for host in results["hosts"].as_array().unwrap() {
        for port in host["ports"].as_array().unwrap() {
            assert_eq!(port["state"], "open");
            let at = format!("{}:{}", host["address"].as_str().unwrap(), port["port"]);
            found.insert(at.parse().unwrap());
        }
    }
    found
}

fn count(results: &serde_json::Value, state: &str) -> u64 {
    results["hosts"].as_array().unwrap().iter().map(|h| h["counts"][state].as_u64().unwrap_or(0)).sum()
}

fn hosts(network: u8, count: u8) -> Vec<String> {
    (1..=count).map(|h| format!("127.77.{network}.{h}")).collect()
}

/// A listener with the shortest queue, filled up: the kernel drops further SYNs without a word.
fn full(at: &str) -> (TcpListener, Vec<TcpStream>) {
    // SAFETY: a new descriptor of our own, checked, handed over to the listener at once.
    let listener = unsafe {
        let descriptor = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        assert!(descriptor >= 0);
        TcpListener::from_raw_fd(descriptor)
    };
    let at: std::net::SocketAddrV4 = at.parse().unwrap();
    let name = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: at.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(at.ip().octets()) },
        sin_zero: [0; 8],
    };
    let length = size_of::<libc::sockaddr_in>() as u32;
    // SAFETY: the address is an initialised `sockaddr_in` of the length given, and the descriptor is open.
    let (bound, listening) = unsafe {
        let bound = libc::bind(listener.as_raw_fd(), (&raw const name).cast(), length);
        (bound, libc::listen(listener.as_raw_fd(), 0))
    };
    assert_eq!((bound, listening), (0, 0), "{}", std::io::Error::last_os_error());
    let wait = std::time::Duration::from_millis(150);
    let mut kept = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&at.into(), wait) {
        kept.push(stream);
        assert!(kept.len() < 16, "the queue does not fill");
    }
    (listener, kept)
}

/// A full listener is silent, and silence is filtered: neither closed nor lost, whatever else goes on.
#[test]
fn a_full_queue_is_silence() {
    let hosts = hosts(1, 20);
    let folder = workspace("connect-full", &hosts, "7001-7040", "retries = 1");
    let _full: Vec<_> = (1..=3).map(|h| full(&format!("127.77.1.{h}:7007"))).collect();
    let listeners: Vec<TcpListener> =
        (1..=20).map(|h| TcpListener::bind(format!("127.77.1.{h}:{}", 7_010 + h)).unwrap()).collect();
    let want: BTreeSet<SocketAddr> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    let results = run(&folder, None);
    assert_eq!(open(&results), want);
    assert_eq!((count(&results, "open"), count(&results, "closed"), count(&results, "filtered")), (20, 777, 3));
}

/// Descriptors run out while silent questions hold them: what could not be asked is asked again, and nothing is lost.
#[test]
fn few_descriptors_lose_nothing() {
    let hosts = hosts(2, 30);
    let folder = workspace("connect-few", &hosts, "7001-7030", "retries = 0\n  checks = []");
    let _full: Vec<_> = (1..=30).map(|h| full(&format!("127.77.2.{h}:7003"))).collect();
    let listeners: Vec<TcpListener> =
        (1..=30).map(|h| TcpListener::bind(format!("127.77.2.{h}:7030")).unwrap()).collect();
    let want: BTreeSet<SocketAddr> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    // Of 110 descriptors 46 may be sockets, but all from 30 on are taken.
    let results = run(&folder, Some((110, 30)));
    assert_eq!(open(&results), want);
    assert_eq!((count(&results, "open"), count(&results, "closed"), count(&results, "filtered")), (30, 840, 30));
    let text = results.to_string();
    assert!(text.contains("ran out of sockets"), "{text}");
}

/// A service that resets each connection as soon as it stands is open all the same.
#[test]
fn a_connection_reset_at_once_was_open() {
    let folder = workspace("connect-reset", &hosts(3, 1), "7001-7008", "retries = 1");
    let listener = TcpListener::bind("127.77.3.1:7004").unwrap();
    let want = BTreeSet::from([listener.local_addr().unwrap()]);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            // SAFETY: the option is an initialised `linger` of the length given, and the descriptor is open.
            unsafe {
                libc::setsockopt(
                    stream.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_LINGER,
                    (&raw const linger).cast(),
                    size_of::<libc::linger>() as u32,
                );
            }
        }
    });
    let results = run(&folder, None);
    assert_eq!(open(&results), want);
    assert_eq!(count(&results, "closed"), 7);
}

/// Greets after a moment, closes, and counts the connections; those that still stand in its queue at the end too.
struct Greeter {
    listener: TcpListener,
    thread: std::thread::JoinHandle<u64>,
}

impl Greeter {
    fn new(at: &str) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let door = listener.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            while let Ok((mut stream, _)) = door.accept() {
                count += 1;
                std::thread::spawn(move || {
                    std::thread::park_timeout(std::time::Duration::from_millis(300));
                    let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
                });
            }
            count
        });
        Self { listener, thread }
    }

    fn count(self) -> u64 {
        self.listener.set_nonblocking(true).unwrap();
        // Wakes the thread where it waits.
        let _wake = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let mut count = self.thread.join().unwrap();
        while self.listener.accept().is_ok() {
            count += 1;
        }
        count - 1
    }
}

/// Descriptors run out while conversations hold them: the ledger counts the connections that were made, and no port is
/// lost for those that were not.
#[test]
fn a_shortage_in_conversations_books_what_has_left() {
    let folder = workspace("connect-talk", &hosts(4, 30), "7020", "retries = 0");
    let greeters: Vec<Greeter> = (1..=30).map(|h| Greeter::new(&format!("127.77.4.{h}:7020"))).collect();
    let results = run(&folder, Some((110, 30)));
    let made: u64 = greeters.into_iter().map(Greeter::count).sum();
    let by_probe = &results["ledger"]["by_probe"];
    assert_eq!(by_probe["connect"], 30);
    assert_eq!(by_probe["talk"].as_u64().unwrap() + 30, made);
    for host in results["hosts"].as_array().unwrap() {
        assert_eq!(host["ports"][0]["service"], "smtp", "{host}");
    }
}
