//! Web servers and what speaks through HTTP; certificates of every kind.

use std::process::Command;

use super::{Kind, Site};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "nginx", programs: &["nginx"], start: nginx, truth: "nginx" },
    Kind { name: "lighttpd", programs: &["lighttpd"], start: lighttpd, truth: "lighttpd" },
    Kind { name: "OpenSSL", programs: &["openssl"], start: s_server, truth: "openssl" },
    Kind { name: "etcd", programs: &["etcd"], start: etcd, truth: "etcd" },
    Kind { name: "InfluxDB", programs: &["influxd"], start: influxdb, truth: "influxdb" },
];

/// Certificates by what is wrong with them:
/// `good` nothing but that it is signed with its own key; `expired` and `early` their dates; `old` a short key, an old hash
/// and its dates; `unknown` an authority that nobody knows; `curve` a small key of its own kind.
pub(super) fn certificates(site: &Site) {
    let name = "-subj /CN=good.example -addext subjectAltName=DNS:good.example,DNS:*.good.example";
    site.prepare(&format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 90 {name} -keyout @D/good.key -out @D/good.pem"
    ));
    site.prepare(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=curve.example \
         -addext subjectAltName=DNS:curve.example -keyout @D/curve.key -out @D/curve.pem",
    );
    site.prepare(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=Lab-Authority -keyout @D/root.key -out @D/root.pem",
    );
    site.write(
        "ca.cnf",
        "[ca]\ndefault_ca=d\n[d]\ndatabase=@D/index.txt\nnew_certs_dir=@D\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n\
         unique_subject=no\ncopy_extensions=copy\n[p]\ncommonName=supplied\n",
    );
    site.write("index.txt", "");
    for (name, bits) in [("unknown", 2_048), ("expired", 2_048), ("early", 2_048), ("soon", 2_048), ("old", 1_024)] {
        site.prepare(&format!(
            "openssl req -newkey rsa:{bits} -nodes -subj /CN={name}.example -addext subjectAltName=DNS:{name}.example \
             -keyout @D/{name}.key -out @D/{name}.csr"
        ));
    }
    let issue = |name: &str, more: &str| {
        let signer = "-cert @D/root.pem -keyfile @D/root.key";
        site.prepare(&format!(
            "openssl ca -config @D/ca.cnf -batch {signer} -in @D/{name}.csr -out @D/{name}.pem -notext {more}"
        ));
    };
    issue("unknown", "-days 90");
    issue("expired", "-startdate 200101000000Z -enddate 210101000000Z");
    issue("early", "-startdate 400101000000Z -enddate 410101000000Z");
    issue("soon", "-days 5");
    issue("old", "-startdate 200101000000Z -enddate 210101000000Z -md sha1");
    site.prepare("openssl dhparam -dsaparam -out @D/dh1024.pem 1024");
}

fn nginx(site: &Site) -> Vec<Command> {
    site.write("www/index.html", "<html><head><title>Lab page</title></head><body>ok</body></html>");
    site.write("bare/.env", "DB_PASSWORD=hunter2\nAPP_KEY=abc\n");
    site.write("bare/.git/HEAD", "ref: refs/heads/main\n");
    site.write("bare/backup.sql", "-- MySQL dump 10.13\n");
    site.write("login/index.html", "<html><title>Sign in</title><form><input type=\"password\" name=p></form></html>");
    site.write(
        "nginx.conf",
        "daemon off; worker_processes 1; pid @D/nginx.pid; error_log stderr; user root;\n\
         events { worker_connections 1024; }\nhttp { access_log off; root @D/www; default_type text/plain;\n\
         types { text/html html; }\n\
         client_body_temp_path @D/b; proxy_temp_path @D/p; fastcgi_temp_path @D/f; uwsgi_temp_path @D/u; scgi_temp_path @D/s;\n\
         ssl_certificate @D/good.pem; ssl_certificate_key @D/good.key;\n\
         server { listen 198.18.91.3:80; listen 198.18.91.3:18080; }\n\
         server { listen 198.18.91.3:443 ssl http2; listen 198.18.91.3:10443 ssl; ssl_protocols TLSv1.2 TLSv1.3;\n\
           ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305;\n\
           add_header Strict-Transport-Security 'max-age=31536000' always; }\n\
         server { listen 198.18.91.4:443 ssl; ssl_certificate @D/old.pem; ssl_certificate_key @D/old.key;\n\
           ssl_protocols TLSv1 TLSv1.1; ssl_ciphers AES128-SHA:NULL-SHA:@SECLEVEL=0; }\n\
         server { listen 198.18.91.30:80; root @D/bare; autoindex on; server_tokens on;\n\
           location = /nginx_status { stub_status; } }\n\
         server { listen 198.18.91.30:8080; root @D/login; server_tokens off; }\n\
         server { listen 198.18.91.30:8081; location / { auth_basic lab; auth_basic_user_file /dev/null; } }\n\
         server { listen 198.18.91.30:8088; location / { return 301 https://www.good.example$request_uri; } }\n\
         server { listen 198.18.91.30:8000; location / { return 200 'any path is answered'; } }\n\
         server { listen 198.18.91.31:443 ssl; ssl_protocols TLSv1.2 TLSv1.3;\n\
           ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0; ssl_dhparam @D/dh1024.pem; }\n\
         server { listen 198.18.91.32:443 ssl; ssl_certificate @D/unknown.pem; ssl_certificate_key @D/unknown.key;\n\
           ssl_protocols TLSv1.3; add_header Strict-Transport-Security 'max-age=31536000' always; }\n}\n",
    );
    vec![site.line("nginx -c @D/nginx.conf")]
}

fn lighttpd(site: &Site) -> Vec<Command> {
    site.write("plain/index.html", "<html><head><title>Apache2 Debian Default Page: It works</title></head></html>");
    site.write(
        "lighttpd.conf",
        "server.document-root = \"@D/plain\"\nserver.bind = \"198.18.91.33\"\nserver.port = 8080\n\
         index-file.names = ( \"index.html\" )\nmimetype.assign = ( \".html\" => \"text/html\" )\n",
    );
    vec![site.line("lighttpd -D -f @D/lighttpd.conf")]
}

/// Bare TLS, one fault each.
fn s_server(site: &Site) -> Vec<Command> {
    let one = |host: u8, port: u16, name: &str, more: &str| {
        // It ends where its input ends, so it reads from a pipe that stays open.
        let mut command = site.line(&format!(
            "openssl s_server -quiet -accept 198.18.91.{host}:{port} -cert @D/{name}.pem -key @D/{name}.key {more}"
        ));
        command.stdin(std::process::Stdio::piped());
        command
    };
    vec![
        one(24, 4433, "expired", ""),
        one(24, 4434, "early", "-no_tls1_3"),
        one(24, 4435, "soon", ""),
        one(24, 4436, "curve", "-tls1_3"),
        one(24, 4437, "good", "-tls1 -cipher AES128-SHA:@SECLEVEL=0"),
        one(24, 4438, "good", "-tls1_2 -cipher ADH-AES128-SHA256:AES128-GCM-SHA256:@SECLEVEL=0"),
        one(24, 4439, "good", "-tls1_2 -legacy_renegotiation -cipher ECDHE-RSA-AES256-GCM-SHA384"),
    ]
}

fn etcd(site: &Site) -> Vec<Command> {
    let at = "http://198.18.91.25:2379";
    vec![site.line(&format!(
        "etcd --data-dir @D/etcd --listen-client-urls {at} --advertise-client-urls {at} --listen-peer-urls \
         http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380 --initial-cluster \
         default=http://127.0.0.1:12380"
    ))]
}

/// One that is open, and one that asks for a login.
fn influxdb(site: &Site) -> Vec<Command> {
    let one = |host: u8, auth: bool| {
        site.write(
            &format!("influx{host}.conf"),
            &format!(
                "reporting-disabled = true\nbind-address = \"127.0.0.1:180{host}\"\n[meta]\ndir = \"@D/influx{host}/meta\"\n\
                 [data]\ndir = \"@D/influx{host}/data\"\nwal-dir = \"@D/influx{host}/wal\"\n[monitor]\nstore-enabled = false\n\
                 [http]\nbind-address = \"198.18.91.{host}:8086\"\nauth-enabled = {auth}\n"
            ),
        );
        site.line(&format!("influxd run -config @D/influx{host}.conf"))
    };
    vec![one(45, false), one(46, true)]
}
