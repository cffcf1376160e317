//! Real servers in a network namespace of their own, loopback only, and the whole chain against them: what each port was
//! recognised as, and facts that can be told in advance, in full.
//!
//! Needs root, `ip` and the servers; what is missing is skipped, and said by name.

use std::fs;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use palisade::service::evidence::{Fact, HostEvidence};
use palisade::store::Store;

use crate::cli::TempDir;

/// A namespace with nothing but loopback.
struct Alone(String);

impl Alone {
    fn build() -> Option<Self> {
        let name = format!("pal-r{}", std::process::id());
        let ip = |args: &[&str]| Command::new("ip").args(args).output().is_ok_and(|o| o.status.success());
        if !ip(&["netns", "add", &name]) {
            return None;
        }
        let alone = Self(name);
        assert!(ip(&["-n", &alone.0, "link", "set", "lo", "up"]));
        Some(alone)
    }

    fn run(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]).stdin(Stdio::null());
        command
    }

    /// Waits until something listens there.
    fn listening(&self, at: &str) {
        let namespace = fs::File::open(format!("/run/netns/{}", self.0)).unwrap();
        let address: std::net::SocketAddr = at.parse().unwrap();
        std::thread::spawn(move || {
            #[expect(unsafe_code, reason = "the standard library cannot enter a network namespace")]
            // SAFETY: setns takes a descriptor that lives across the call, and changes this short-lived thread only.
            let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(entered, 0);
            let start = Instant::now();
            while TcpStream::connect(address).is_err() {
                assert!(start.elapsed() < Duration::from_secs(60), "{address} does not listen");
                std::thread::yield_now();
            }
        })
        .join()
        .unwrap();
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Servers with children of their own end them when they are asked to end.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// One kind of server: what it needs, how it is started, where it listens, what must be found.
struct Kind {
    name: &'static str,
    program: &'static str,
    start: fn(&Alone, &Path) -> Vec<Command>,
    /// Address, service as shown, and facts, one a line.
    truth: &'static [(&'static str, &'static str, &'static str)],
}

fn there(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|d| Path::new(d).join(program).exists())
}

/// Runs to its end, quietly.
fn done(command: &mut Command) {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text.replace("@D", folder.to_str().unwrap())).unwrap();
    path
}

/// Keys, a self-signed certificate, and one that was good for the year 2020 with a short key and an old hash.
fn certificates(folder: &Path) {
    let openssl = |args: &str| {
        done(Command::new("openssl").args(args.replace("@D", folder.to_str().unwrap()).split(' ')));
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=good.example -addext subjectAltName=DNS:good.example,DNS:*.good.example -keyout @D/good.key -out @D/good.pem",
    );
    openssl("req -newkey rsa:1024 -nodes -subj /CN=old.example -keyout @D/old.key -out @D/old.csr");
    write(
        folder,
        "ca.cnf",
        "[ca]\ndefault_ca=d\n[d]\ndatabase=@D/index.txt\nnew_certs_dir=@D\nrand_serial=yes\ndefault_md=sha1\npolicy=p\n\
         [p]\ncommonName=supplied\n",
    );
    write(folder, "index.txt", "");
    openssl(
        "ca -config @D/ca.cnf -batch -selfsign -keyfile @D/old.key -in @D/old.csr -startdate 200101000000Z -enddate 210101000000Z -out @D/old.pem -notext",
    );
}

fn openssh(alone: &Alone, folder: &Path) -> Vec<Command> {
    let _ = fs::create_dir_all("/run/sshd");
    for (kind, bits) in [("ed25519", "256"), ("rsa", "2048")] {
        let file = folder.join(format!("host-{kind}"));
        done(Command::new("ssh-keygen").args(["-q", "-t", kind, "-b", bits, "-N", "", "-f"]).arg(file));
    }
    let rest = "PidFile none\nUsePAM no\nStrictModes no\n";
    let new = format!("Port 22\nListenAddress 127.0.91.1\nHostKey @D/host-ed25519\nHostKey @D/host-rsa\n{rest}");
    let weak = format!(
        "Port 2022\nListenAddress 127.0.91.2\nHostKey @D/host-rsa\nKexAlgorithms diffie-hellman-group14-sha1\n\
         Ciphers aes128-cbc,3des-cbc\nMACs hmac-sha1-96,hmac-md5\nHostKeyAlgorithms ssh-rsa\n{rest}"
    );
    [("sshd-new", new), ("sshd-weak", weak)]
        .iter()
        .map(|(name, text)| {
            let mut command = alone.run("/usr/sbin/sshd");
            command.args(["-D", "-e", "-f"]).arg(write(folder, name, text));
            command
        })
        .collect()
}

fn nginx(alone: &Alone, folder: &Path) -> Vec<Command> {
    write(folder, "index.html", "<html><head><title>Lab page</title></head><body>ok</body></html>");
    let text = "daemon off; worker_processes 1; pid @D/nginx.pid; error_log @D/nginx.err; user root;\n\
        events { worker_connections 1024; }\nhttp { access_log off; root @D; ssl_certificate @D/good.pem;\n\
        client_body_temp_path @D/b; proxy_temp_path @D/p; fastcgi_temp_path @D/f; uwsgi_temp_path @D/u; scgi_temp_path @D/s;\n\
        ssl_certificate_key @D/good.key;\n\
        server { listen 127.0.91.3:80; listen 127.0.91.3:18080; }\n\
        server { listen 127.0.91.3:443 ssl http2; listen 127.0.91.3:10443 ssl; ssl_protocols TLSv1.2 TLSv1.3;\n\
          ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305; }\n\
        server { listen 127.0.91.4:443 ssl; ssl_certificate @D/old.pem; ssl_certificate_key @D/old.key;\n\
          ssl_protocols TLSv1 TLSv1.1; ssl_ciphers AES128-SHA:NULL-SHA:@SECLEVEL=0; }\n}\n";
    let mut command = alone.run("nginx");
    command.arg("-c").arg(write(folder, "nginx.conf", text));
    vec![command]
}

fn redis(alone: &Alone, folder: &Path) -> Vec<Command> {
    let open = ["--port", "6379", "--bind", "127.0.91.5", "--protected-mode", "no"];
    let closed = ["--port", "16380", "--bind", "127.0.91.6", "--requirepass", "secret"];
    [open, closed]
        .iter()
        .map(|args| {
            let mut command = alone.run("redis-server");
            command.args(args).args(["--save", "", "--dir"]).arg(folder);
            command
        })
        .collect()
}

fn vsftpd(alone: &Alone, folder: &Path) -> Vec<Command> {
    let root = folder.join("ftp");
    fs::create_dir_all(&root).unwrap();
    let text = "listen=YES\nlisten_address=127.0.91.7\nbackground=NO\nanonymous_enable=YES\nanon_root=@D/ftp\n\
        secure_chroot_dir=@D/ftp\nnopriv_user=nobody\nrun_as_launching_user=YES\nseccomp_sandbox=NO\n";
    let mut command = alone.run("/usr/sbin/vsftpd");
    command.arg(write(folder, "vsftpd.conf", text));
    vec![command]
}

fn exim(alone: &Alone, folder: &Path) -> Vec<Command> {
    let spool = folder.join("spool");
    fs::create_dir_all(&spool).unwrap();
    done(Command::new("chown").arg("Debian-exim").arg(&spool));
    done(Command::new("chmod").args(["644"]).arg(folder.join("good.key")));
    let text = "primary_hostname = mail.example\nspool_directory = @D/spool\nlocal_interfaces = 127.0.91.8\n\
        daemon_smtp_ports = 25\ntls_advertise_hosts = *\ntls_certificate = @D/good.pem\ntls_privatekey = @D/good.key\n\
        acl_smtp_rcpt = refuse\nbegin acl\nrefuse:\n  deny\n";
    let mut command = alone.run("/usr/sbin/exim4");
    command.arg("-bdf").arg("-C").arg(write(folder, "exim.conf", text));
    vec![command]
}

fn dovecot(alone: &Alone, folder: &Path) -> Vec<Command> {
    let text = "base_dir = @D/dovecot\nlog_path = @D/dovecot.log\nprotocols = imap pop3\ndefault_process_limit = 1000\nlisten = 127.0.91.9\nssl = yes\n\
        ssl_cert = <@D/good.pem\nssl_key = <@D/good.key\nmail_location = maildir:@D/mail\ndefault_login_user = nobody\n\
        default_internal_user = nobody\ndefault_internal_group = nogroup\npassdb {\n  driver = static\n  args = nopassword=n\n}\n";
    let mut command = alone.run("/usr/sbin/dovecot");
    command.arg("-F").arg("-c").arg(write(folder, "dovecot.conf", text));
    vec![command]
}

const KINDS: &[Kind] = &[
    Kind {
        name: "OpenSSH",
        program: "sshd",
        start: openssh,
        truth: &[
            (
                "127.0.91.1:22",
                "ssh OpenSSH",
                "ssh.auth_methods = publickey password keyboard-interactive\nssh.key_bits.ssh-ed25519 = 256\nssh.key_bits.ssh-rsa = 2048\nssh.protocol = 2.0\nssh.strict_kex = true",
            ),
            (
                "127.0.91.2:2022",
                "ssh OpenSSH",
                "ssh.ciphers = aes128-cbc 3des-cbc\nssh.host_keys = ssh-rsa\nssh.key_bits.ssh-rsa = 2048\n\
                 ssh.kex = diffie-hellman-group14-sha1 kex-strict-s-v00@openssh.com\nssh.macs = hmac-sha1-96 hmac-md5",
            ),
        ],
    },
    Kind {
        name: "nginx",
        program: "nginx",
        start: nginx,
        truth: &[
            (
                "127.0.91.3:80",
                "http nginx",
                "http.basic_clear = false\nhttp.control.status = 404\nhttp.status = 200\nhttp.title = Lab page",
            ),
            ("127.0.91.3:18080", "http nginx", "http.status = 200\nhttp.title = Lab page"),
            (
                "127.0.91.3:443",
                "https nginx",
                "http.h2 = true\nhttp.status = 200\nhttp.title = Lab page\n\
                 tls.certificate.key_bits = 2048\ntls.certificate.names = good.example *.good.example\n\
                 tls.certificate.self_signed = true\ntls.certificate.signature = sha256WithRSAEncryption\n\
                 tls.certificate.trusted = false\ntls.compression = false\ntls.control.refused = true\n\
                 tls.fallback_scsv = true\ntls.heartbeat = false\ntls.renegotiation.secure = true\n\
                 tls.suites.TLS 1.2 = TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256\n\
                 tls.suites.TLS 1.3 = TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256\n\
                 tls.versions = TLS 1.2 TLS 1.3",
            ),
            ("127.0.91.3:10443", "https nginx", "http.h2 = false\nhttp.status = 200\ntls.versions = TLS 1.2 TLS 1.3"),
            (
                "127.0.91.4:443",
                "tls",
                "tls.certificate.key_bits = 1024\ntls.certificate.not_after = 2021-01-01T00:00:00Z\n\
                 tls.certificate.signature = sha1WithRSAEncryption\ntls.certificate.subject = CN=old.example\n\
                 tls.suites.TLS 1.0 = TLS_RSA_WITH_NULL_SHA TLS_RSA_WITH_AES_128_CBC_SHA\n\
                 tls.suites.TLS 1.1 = TLS_RSA_WITH_NULL_SHA TLS_RSA_WITH_AES_128_CBC_SHA\ntls.versions = TLS 1.0 TLS 1.1",
            ),
        ],
    },
    Kind {
        name: "Redis",
        program: "redis-server",
        start: redis,
        truth: &[
            ("127.0.91.5:6379", "redis Redis", "redis.auth_required = false\nredis.mode = standalone"),
            ("127.0.91.6:16380", "redis", "redis.auth_required = true"),
        ],
    },
    Kind {
        name: "vsftpd",
        program: "vsftpd",
        start: vsftpd,
        truth: &[(
            "127.0.91.7:21",
            "ftp vsftpd",
            "ftp.anonymous = true\nftp.starttls = false\nftp.tls_offered = false",
        )],
    },
    Kind {
        name: "Exim",
        program: "exim4",
        start: exim,
        truth: &[(
            "127.0.91.8:25",
            "smtp Exim",
            "smtp.auth =\nsmtp.starttls = true\nsmtp.starttls_accepted = true\ntls.certificate.names = good.example *.good.example\n\
             tls.control.refused = true\ntls.versions = TLS 1.0 TLS 1.1 TLS 1.2 TLS 1.3",
        )],
    },
    Kind {
        name: "Dovecot",
        program: "dovecot",
        start: dovecot,
        truth: &[
            (
                "127.0.91.9:110",
                "pop3 Dovecot",
                "pop3.starttls = true\npop3.starttls_accepted = true\ntls.versions = TLS 1.2 TLS 1.3",
            ),
            (
                "127.0.91.9:143",
                "imap Dovecot",
                "imap.starttls = true\nimap.starttls_accepted = true\ntls.versions = TLS 1.2 TLS 1.3",
            ),
            ("127.0.91.9:993", "imap over tls Dovecot", "imap.preauth = false\ntls.versions = TLS 1.2 TLS 1.3"),
            (
                "127.0.91.9:995",
                "pop3 over tls Dovecot",
                "tls.certificate.key_type = RSA\ntls.versions = TLS 1.2 TLS 1.3",
            ),
        ],
    },
];

const JOB: &str = r#"
connector "real" {
  provider = file
  path     = "inventory.json"
}

profile "real" {
  tcp        = [21, 22, 25, 80, 110, 143, 443, 993, 995, 2022, 6379, 10443, 16380, 18080]
  udp        = none
  ping       = [tcp(22)]
  dead_hosts = scan
  rate       = 5000/s
  per_host   = 2000/s
  retries    = 2
  consent    = [safe, auth]
}

scan "real" {
  connector = "real"
  profile   = "real"

  targets {
    where = gcp.compute.state: RUNNING
  }
}
"#;

fn inventory() -> String {
    let instances: Vec<String> = (1..=9)
        .map(|host| {
            format!(
                r#"{{"id":"{host}","name":"real-{host}","status":"RUNNING",
                "zone":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a",
                "selfLink":"https://www.googleapis.com/compute/v1/projects/lab/zones/us-central1-a/instances/real-{host}",
                "machineType":"zones/us-central1-a/machineTypes/e2-small",
                "networkInterfaces":[{{"name":"nic0","networkIP":"10.0.0.{host}","network":"global/networks/default",
                "accessConfigs":[{{"natIP":"127.0.91.{host}"}}]}}]}}"#
            )
        })
        .collect();
    format!(r#"{{"kind":"compute#instanceList","items":[{}]}}"#, instances.join(","))
}

fn shown(fact: &Fact) -> String {
    match fact {
        Fact::Bool(v) => v.to_string(),
        Fact::Int(v) => v.to_string(),
        Fact::Text(v) => v.clone(),
        Fact::Date(v) => v.to_string(),
        Fact::List(v) => v.join(" "),
    }
}

/// What was found at an address, in the form of the truth.
fn found(hosts: &[HostEvidence], at: &str, facts: &str) -> (String, String) {
    let address: std::net::SocketAddr = at.parse().unwrap();
    let services = hosts.iter().filter(|h| h.addr == address.ip()).flat_map(|h| &h.services);
    let Some(evidence) = services.into_iter().find(|s| s.port == address.port()) else {
        return ("nothing".into(), String::new());
    };
    let service = evidence.service.as_ref().map_or("unknown".into(), |s| {
        [Some(s.shown()), s.product.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    let lines = facts.lines().map(|line| {
        let path = line.split(" =").next().unwrap();
        match evidence.facts.get(path) {
            Some(fact) => format!("{path} = {}", shown(fact)).trim_end().to_owned(),
            None => format!("{path} is missing; untested: {:?}", evidence.untested),
        }
    });
    (service, lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn real_servers_are_told_in_full() {
    let Some(alone) = there("openssl").then(Alone::build).flatten() else {
        println!("skipped: service::real needs root, ip and openssl");
        return;
    };
    let folder = TempDir::new("service-real");
    done(Command::new("chmod").args(["755"]).arg(&folder.0));
    certificates(&folder.0);
    let mut servers = Vec::new();
    let mut truth = Vec::new();
    for kind in KINDS {
        if !there(kind.program) {
            println!("skipped: service::real::{}: there is no {}", kind.name, kind.program);
            continue;
        }
        for mut command in (kind.start)(&alone, &folder.0) {
            servers.push(Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()));
        }
        kind.truth.iter().for_each(|(at, ..)| alone.listening(at));
        truth.extend(kind.truth);
    }
    fs::write(folder.0.join("inventory.json"), inventory()).unwrap();
    fs::write(folder.0.join("real.pal"), JOB).unwrap();
    let output = alone
        .run(env!("CARGO_BIN_EXE_palisade"))
        .args(["run", "real", "--offline", "--format", "json", "--mode", "connect", "--seed", "7", "-C"])
        .arg(&folder.0)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let reference = results["summary"]["reference"].as_str().unwrap();
    let hosts = Store::open(&folder.0.join(".palisade")).unwrap().evidence(reference).unwrap();
    let mut faults = Vec::new();
    for (at, service, facts) in truth {
        let (got, lines) = found(&hosts, at, facts);
        if got != *service || lines != *facts {
            faults.push(format!("{at}: {got}\n{lines}\nwanted {service}\n{facts}\n"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
