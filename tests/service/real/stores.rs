//! Data stores and brokers.

use std::path::PathBuf;
use std::process::Command;

use super::{Kind, Site};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "Redis", programs: &["redis-server"], start: redis, truth: "redis" },
    Kind { name: "PostgreSQL", programs: &["pg_ctlcluster", "setpriv"], start: postgresql, truth: "postgresql" },
    Kind { name: "MariaDB", programs: &["mariadbd"], start: mariadb, truth: "mariadb" },
    Kind { name: "Memcached", programs: &["memcached"], start: memcached, truth: "memcached" },
    Kind { name: "Mosquitto", programs: &["mosquitto", "mosquitto_passwd"], start: mosquitto, truth: "mosquitto" },
    Kind { name: "NATS", programs: &["nats-server"], start: nats, truth: "nats" },
    Kind { name: "OpenLDAP", programs: &["slapd"], start: slapd, truth: "openldap" },
    Kind { name: "epmd", programs: &["epmd"], start: epmd, truth: "epmd" },
];

fn redis(site: &Site) -> Vec<Command> {
    let one = |args: &str| {
        let mut command = site.line(&format!("redis-server {args} --dir @D"));
        command.args(["--save", ""]);
        command
    };
    vec![
        one("--port 6379 --bind 198.18.91.5 --protected-mode no"),
        one("--port 16380 --bind 198.18.91.6 --requirepass secret"),
    ]
}

/// Programs of the newest release that Debian installed.
fn newest() -> PathBuf {
    let releases = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|e| e.unwrap().path());
    releases.max().unwrap().join("bin")
}

/// One that trusts everybody and has no TLS, and one that asks for a password and has.
fn postgresql(site: &Site) -> Vec<Command> {
    let bin = newest();
    let bin = bin.to_str().unwrap();
    let user = "setpriv --reuid=postgres --regid=postgres --clear-groups";
    for name in ["pg-trust", "pg-tls"] {
        site.make_folder(name);
        site.prepare(&format!("chown postgres: @D/{name}"));
    }
    site.prepare(&format!(
        "{user} {bin}/initdb -D @D/pg-trust -U postgres -A trust --no-sync --locale=C --encoding=UTF8 --no-instructions"
    ));
    site.prepare("cp -a @D/pg-trust/. @D/pg-tls");
    site.prepare("install -o postgres -m 600 @D/good.key @D/pg-tls/server.key");
    site.prepare("install -o postgres -m 600 @D/good.pem @D/pg-tls/server.crt");
    site.write("pg-trust/pg_hba.conf", "host all all 0.0.0.0/0 trust\n");
    site.write("pg-tls/pg_hba.conf", "host all all 0.0.0.0/0 scram-sha-256\n");
    let one = |name: &str, host: u8, more: &str| {
        site.line(&format!(
            "{user} {bin}/postgres -D @D/{name} -c listen_addresses=198.18.91.{host} -c port=5432 \
             -c unix_socket_directories= -c fsync=off {more}"
        ))
    };
    vec![one("pg-trust", 10, ""), one("pg-tls", 11, "-c ssl=on")]
}

/// One that takes no clients from elsewhere, and one that does and has TLS.
fn mariadb(site: &Site) -> Vec<Command> {
    let rest = "--no-defaults --user=mysql --datadir=@D/mariadb";
    site.make_folder("mariadb");
    site.prepare("chown mysql: @D/mariadb");
    site.prepare(&format!(
        "mariadb-install-db {rest} --skip-test-db --auth-root-authentication-method=normal --skip-name-resolve"
    ));
    site.prepare("cp -a @D/mariadb @D/mariadb-tls");
    site.write("mariadb-tls.sql", "CREATE USER 'lab'@'%' IDENTIFIED BY 'secret';\n");
    site.prepare("install -o mysql -m 600 @D/good.key @D/mariadb-tls.key");
    site.prepare("install -o mysql -m 600 @D/good.pem @D/mariadb-tls.pem");
    let one = |folder: &str, at: &str, more: &str| {
        site.line(&format!(
            "mariadbd --no-defaults --user=mysql --datadir=@D/{folder} {at} --skip-name-resolve \
             --socket=@D/{folder}/s --pid-file=@D/{folder}/pid --innodb-flush-method=nosync {more}"
        ))
    };
    vec![
        one("mariadb", "--bind-address=198.18.91.12 --port=3306", ""),
        one(
            "mariadb-tls",
            "--bind-address=198.18.91.12 --port=3307",
            "--ssl-cert=@D/mariadb-tls.pem --ssl-key=@D/mariadb-tls.key --init-file=@D/mariadb-tls.sql",
        ),
    ]
}

fn memcached(site: &Site) -> Vec<Command> {
    vec![site.line("memcached -u nobody -l 198.18.91.13 -p 11211 -U 11211")]
}

/// One that lets in anybody, and one that asks for a name.
fn mosquitto(site: &Site) -> Vec<Command> {
    site.prepare("mosquitto_passwd -c -b @D/mosquitto.users lab secret");
    site.write(
        "mosquitto-open.conf",
        "user root\nlistener 1883 198.18.91.20\nallow_anonymous true\npersistence false\nlog_dest stderr\n",
    );
    site.write(
        "mosquitto-closed.conf",
        "user root\nlistener 1883 198.18.91.21\nallow_anonymous false\npassword_file @D/mosquitto.users\n\
         listener 8883 198.18.91.21\ncertfile @D/good.pem\nkeyfile @D/good.key\npersistence false\nlog_dest stderr\n",
    );
    vec![site.line("mosquitto -c @D/mosquitto-open.conf"), site.line("mosquitto -c @D/mosquitto-closed.conf")]
}

/// Open, with a login, and with TLS.
fn nats(site: &Site) -> Vec<Command> {
    vec![
        site.line("nats-server -a 198.18.91.22 -p 4222"),
        site.line("nats-server -a 198.18.91.22 -p 4223 --user lab --pass secret"),
        site.line("nats-server -a 198.18.91.22 -p 4224 --tls --tlscert @D/good.pem --tlskey @D/good.key"),
    ]
}

fn slapd(site: &Site) -> Vec<Command> {
    site.make_folder("ldap");
    site.write(
        "slapd.conf",
        "include /etc/ldap/schema/core.schema\npidfile @D/slapd.pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         TLSCertificateFile @D/good.pem\nTLSCertificateKeyFile @D/good.key\nTLSCACertificateFile @D/good.pem\n\
         database mdb\nsuffix \"dc=lab,dc=example\"\nrootdn \"cn=admin,dc=lab,dc=example\"\ndirectory @D/ldap\n",
    );
    vec![site.line("/usr/sbin/slapd -d 0 -h ldap://198.18.91.23:389/ -f @D/slapd.conf")]
}

fn epmd(site: &Site) -> Vec<Command> {
    vec![site.line("epmd -address 198.18.91.37 -port 4369")]
}
