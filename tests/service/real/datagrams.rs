//! Servers that answer datagrams, and those of the network's own.

use std::process::Command;

use super::{Kind, Site};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "BIND", programs: &["named"], start: bind, truth: "bind" },
    Kind { name: "Net-SNMP", programs: &["snmpd"], start: snmpd, truth: "net-snmp" },
    Kind { name: "NTPsec", programs: &["ntpd", "setpriv"], start: ntpsec, truth: "ntpsec" },
    Kind { name: "strongSwan", programs: &["charon"], start: strongswan, truth: "strongswan" },
    Kind { name: "rpcbind", programs: &["rpcbind"], start: rpcbind, truth: "rpcbind" },
    Kind { name: "rsync", programs: &["rsync"], start: rsync, truth: "rsync" },
    Kind { name: "coturn", programs: &["turnserver"], start: coturn, truth: "coturn" },
    Kind { name: "Kamailio", programs: &["kamailio"], start: kamailio, truth: "kamailio" },
    Kind { name: "libcoap", programs: &["coap-server-notls"], start: coap, truth: "libcoap" },
    Kind { name: "OpenIPMI", programs: &["ipmi_sim"], start: ipmi, truth: "openipmi" },
];

/// One that resolves every name for everybody, from a root of the laboratory's own, and one that answers for its zone only.
fn bind(site: &Site) -> Vec<Command> {
    let zone = "$TTL 3600\n@ SOA ns.root. admin.root. 1 3600 600 86400 60\n@ NS ns.root.\n\
                ns.root. A 198.18.91.15\nexample.com. A 192.0.2.80\n";
    site.write("root.zone", zone);
    site.write("root.hints", ". 3600 NS ns.root.\nns.root. 3600 A 198.18.91.15\n");
    site.write("own.zone", "$TTL 3600\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 198.18.91.16\n");
    let options = |host: u8, more: &str| {
        site.hold(&format!("198.18.91.{host}/32"));
        site.make_folder(&format!("named{host}"));
        format!(
            "options {{ directory \"@D/named{host}\"; listen-on {{ 198.18.91.{host}; }}; listen-on-v6 {{ none; }};\n\
             pid-file none; session-keyfile none; dnssec-validation no; empty-zones-enable no; allow-query {{ any; }};\n\
             query-source address 198.18.91.{host}; {more} }};\ncontrols {{ }};\n"
        )
    };
    let root = "zone \".\" { type primary; file \"@D/root.zone\"; allow-transfer { none; }; };\n";
    let hints = "zone \".\" { type hint; file \"@D/root.hints\"; };\n";
    let own = "zone \"lab.example\" { type primary; file \"@D/own.zone\"; allow-transfer { none; }; };\n";
    site.write("named14.conf", &format!("{}{hints}", options(14, "recursion yes; allow-recursion { any; };")));
    site.write("named15.conf", &(options(15, "recursion no; version none;") + root));
    site.write("named16.conf", &(options(16, "recursion no; version \"not told\";") + own));
    [15, 16, 14].iter().map(|host| site.line(&format!("/usr/sbin/named -g -n 1 -c @D/named{host}.conf"))).collect()
}

fn snmpd(site: &Site) -> Vec<Command> {
    site.make_folder("snmp");
    site.write("snmpd.conf", "rocommunity public default\nsysDescr Palisade laboratory\nmaster no\n");
    let mut command = site.line("/usr/sbin/snmpd -f -Lo -C -c @D/snmpd.conf udp:198.18.91.17:161");
    command.env("SNMP_PERSISTENT_DIR", site.folder.0.join("snmp"));
    vec![command]
}

/// It must not touch the machine's clock: it is told so, and has not the right.
fn ntpsec(site: &Site) -> Vec<Command> {
    site.write(
        "ntp.conf",
        "disable ntp\ndisable kernel\nrestrict 0.0.0.0 mask 0.0.0.0 kod\nrestrict 192.0.2.2\ninterface ignore all\ninterface listen 198.18.91.18\n",
    );
    site.hold("198.18.91.18/32");
    vec![site.line("setpriv --bounding-set=-sys_time /usr/sbin/ntpd -n -c @D/ntp.conf")]
}

fn rsync(site: &Site) -> Vec<Command> {
    site.make_folder("shared");
    site.write(
        "rsyncd.conf",
        "use chroot = no\nuid = nobody\n[data]\npath = @D/shared\ncomment = Laboratory data\n[hidden]\npath = @D/shared\n\
         list = no\n",
    );
    vec![site.line("rsync --daemon --no-detach --config=@D/rsyncd.conf --address=198.18.91.19 --port=873")]
}

/// A gateway that knows no peer: it answers proposals, and takes none.
fn strongswan(site: &Site) -> Vec<Command> {
    site.write(
        "strongswan.conf",
        "charon {\n  load_modular = yes\n  filelog {\n    stderr {\n      default = 1\n    }\n  }\n\
         \x20 plugins {\n    include /etc/strongswan.d/charon/*.conf\n  }\n}\n",
    );
    site.private_run();
    let mut command = site.apart(36, "sh @D/private-run /usr/lib/ipsec/charon");
    command.env("STRONGSWAN_CONF", site.folder.0.join("strongswan.conf"));
    vec![command]
}

/// Over TCP it listens everywhere, so it is asked for in datagrams alone.
fn rpcbind(site: &Site) -> Vec<Command> {
    site.private_run();
    vec![site.line("sh @D/private-run /usr/sbin/rpcbind -f -h 198.18.91.38")]
}

fn coturn(site: &Site) -> Vec<Command> {
    vec![site.line(
        "turnserver -n -L 198.18.91.26 -p 3478 --no-tls --no-dtls --no-cli --no-auth --no-tcp --no-tcp-relay --log-file \
         stdout --pidfile @D/turn.pid --userdb @D/turn.db",
    )]
}

fn kamailio(site: &Site) -> Vec<Command> {
    site.write(
        "kamailio.cfg",
        "debug=1\nlog_stderror=yes\nfork=yes\nchildren=1\nauto_aliases=no\nlisten=udp:198.18.91.27:5060\n\
         listen=tcp:198.18.91.27:5060\nloadmodule \"tm.so\"\nloadmodule \"sl.so\"\nloadmodule \"pv.so\"\n\
         request_route { sl_send_reply(\"200\", \"OK\"); }\n",
    );
    vec![site.line("kamailio -DD -E -f @D/kamailio.cfg -Y @D -P @D/kamailio.pid")]
}

fn coap(site: &Site) -> Vec<Command> {
    vec![site.line("coap-server-notls -A 198.18.91.28 -p 5683")]
}

fn ipmi(site: &Site) -> Vec<Command> {
    site.make_folder("ipmi");
    site.write(
        "lan.conf",
        "name \"lab\"\nset_working_mc 0x20\n startlan 1\n  addr 198.18.91.42 623\n  priv_limit admin\n\
         \x20 allowed_auths_callback none md2 md5 straight\n  allowed_auths_user none md2 md5 straight\n\
         \x20 allowed_auths_operator none md2 md5 straight\n  allowed_auths_admin none md2 md5 straight\n  guid a123456789abcdefa123456789abcdef\n\
         \x20endlan\n user 1 true \"\" \"test\" user 10 none md2 md5 straight\n user 2 true \"ipmiusr\" \"test\" admin 10 none md2 md5 straight\n",
    );
    site.write(
        "ipmi.emu",
        "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n",
    );
    vec![site.line("ipmi_sim -c @D/lan.conf -f @D/ipmi.emu -s @D/ipmi -n")]
}
