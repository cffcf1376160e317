//! The facts that conversations and scans set: path, type, meaning. `<x>` in a path stands for one part of any name. The
//! tests hold every fact of every golden dialogue against this list.

/// Type of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Yes or no.
    Bool,
    /// A number.
    Int,
    /// Text.
    Text,
    /// A moment.
    Date,
    /// Several texts.
    List,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Dotted path.
    pub path: &'static str,
    /// Type.
    pub kind: Type,
    /// Meaning, with the unit of numbers.
    pub meaning: &'static str,
}

const fn row(path: &'static str, kind: Type, meaning: &'static str) -> Row {
    Row { path, kind, meaning }
}

/// All facts, grouped by what sets them.
pub const FACTS: &[&[Row]] = &[HOST, TLS, SSH, HTTP, MAIL, DATA, ANY];

const HOST: &[Row] = &[
    row("icmp.echo", Type::Bool, "an echo request was answered"),
    row("icmp.timestamp", Type::Bool, "a timestamp request was answered"),
    row("icmp.ttl", Type::Int, "time to live of the echo reply"),
    row("tcp.ttl", Type::Int, "time to live of a SYN-ACK"),
    row("tcp.window", Type::Int, "window of a SYN-ACK, in bytes before scaling"),
    row("tcp.mss", Type::Int, "maximum segment size of a SYN-ACK, in bytes"),
    row("tcp.options", Type::Text, "options of a SYN-ACK, in order"),
    row("tcp.isn", Type::List, "initial sequence numbers, in order"),
    row("tcp.timestamps", Type::List, "pairs of milliseconds and timestamp value"),
    row("ip.ids", Type::List, "IP ids, in order"),
    row("host.state", Type::Text, "up, down, unknown"),
    row("host.reason", Type::Text, "what showed that it is up"),
    row("cloud", Type::List, "`token: value` of the guide's block of cloud facts"),
    row("ports.<transport>.asked", Type::Text, "ports that were probed, as ranges"),
    row("ports.<transport>.silent", Type::List, "ports that are open or filtered: nothing answered"),
    row("ports.complete", Type::Bool, "every planned probe of the host had its answer or all its tries"),
    row("ports.tcp.open", Type::List, "open TCP ports"),
    row("ports.udp.open", Type::List, "open UDP ports"),
    row("ports.counts.<state>", Type::Int, "probed ports in that state"),
    row("ports.all_open", Type::Bool, "every one of at least 32 TCP ports accepted"),
    row("ports.saved", Type::Int, "probes that were not sent because every port accepts"),
    row("untested", Type::List, "`group: reason` of facts of the host that this run could not learn"),
    row("names", Type::List, "`source:name` of every name known"),
    row("dns.ptr", Type::Text, "name that the address leads back to"),
    row("dns.forward", Type::List, "addresses of that name"),
    row("dns.names", Type::List, "`name address` of each name that the host showed"),
    row("dns.elsewhere", Type::List, "`name address` where no address of the name is the inventory's"),
    row("dns.gone", Type::List, "`name address asset` where the address was an asset's that is gone or has lost it"),
    row("dns.caa", Type::List, "`name record` of the certification authorities that a name allows"),
    row("dns.caa_missing", Type::List, "names with a public certificate that allow every authority"),
    row("scan.started", Type::Date, "first packet"),
    row("scan.finished", Type::Date, "last packet"),
    row("scan.packets", Type::Int, "packets sent to the host"),
    row("scan.loss", Type::Text, "estimated loss"),
    row("lease", Type::List, "ownership confirmations"),
];

const TLS: &[Row] = &[
    row("tls.versions", Type::List, "versions accepted: SSL 2.0, SSL 3.0, TLS 1.0 to TLS 1.3"),
    row("tls.suites", Type::List, "suites accepted under any version, IANA names"),
    row("tls.suites.<version>", Type::List, "suites accepted under that version, IANA names"),
    row("tls.groups", Type::List, "key exchange groups accepted"),
    row("tls.alpn", Type::List, "application protocols accepted"),
    row("tls.compression", Type::Bool, "compression was accepted (CVE-2012-4929)"),
    row("tls.renegotiation.secure", Type::Bool, "the secure renegotiation extension was answered (RFC 5746)"),
    row("tls.fallback_scsv", Type::Bool, "the downgrade signal was honoured (RFC 7507)"),
    row("tls.dh_bits", Type::Int, "smallest size of a Diffie-Hellman prime offered, in bits"),
    row("tls.heartbeat", Type::Bool, "the heartbeat extension was answered (RFC 6520)"),
    row("tls.heartbeat_overread", Type::Bool, "a heartbeat was answered with more than it held (consent odd)"),
    row("tls.heartbeat_bytes", Type::Int, "bytes of that answer beyond what was sent; they are not kept"),
    row("tls.early_cipher_change", Type::Bool, "a change of cipher before there was a key was taken (consent odd)"),
    row("tls.session.tickets", Type::Bool, "session tickets are offered (RFC 5077)"),
    row("tls.session.resumed", Type::Bool, "a session was resumed"),
    row("tls.ocsp.status", Type::Text, "stapled certificate status: good, revoked, unknown"),
    row("tls.control.refused", Type::Bool, "a hello with nothing but an unassigned suite was refused"),
    row("tls.certificate.subject", Type::Text, "subject of the leaf certificate"),
    row("tls.certificate.issuer", Type::Text, "issuer of the leaf certificate"),
    row("tls.certificate.names", Type::List, "names and addresses it is for, lower case"),
    row("tls.certificate.not_before", Type::Date, "valid from"),
    row("tls.certificate.not_after", Type::Date, "valid until"),
    row("tls.certificate.key_type", Type::Text, "RSA, EC, Ed25519, DSA"),
    row("tls.certificate.key_bits", Type::Int, "size of the key in bits"),
    row("tls.certificate.signature", Type::Text, "signature algorithm, such as sha256WithRSAEncryption"),
    row("tls.certificate.serial", Type::Text, "serial number in hex"),
    row("tls.certificate.fingerprint", Type::Text, "SHA-256 of the certificate in hex"),
    row("tls.certificate.key_fingerprint", Type::Text, "SHA-256 of the public key info in hex"),
    row("tls.certificate.self_signed", Type::Bool, "signed with its own key"),
    row("tls.certificate.ca", Type::Bool, "the leaf is an authority"),
    row("tls.certificate.chain", Type::List, "subjects of the chain as sent, leaf first"),
    row("tls.certificate.chain_complete", Type::Bool, "the chain as sent leads to a public root"),
    row("tls.certificate.trusted", Type::Bool, "trusted at this moment by the public roots, the name aside"),
    row("tls.certificate.name_matches", Type::Bool, "valid for the target's name; missing where it has none"),
];

const SSH: &[Row] = &[
    row("ssh.identification", Type::Text, "identification line (RFC 4253 4.2)"),
    row("ssh.protocol", Type::Text, "protocol version: 2.0, 1.99, 1.5"),
    row("ssh.software", Type::Text, "software version and comments"),
    row("ssh.kex", Type::List, "key exchange methods"),
    row("ssh.host_keys", Type::List, "host key algorithms"),
    row("ssh.ciphers", Type::List, "ciphers, client to server"),
    row("ssh.macs", Type::List, "MACs, client to server"),
    row("ssh.compression", Type::List, "compression, client to server"),
    row("ssh.ciphers.to_client", Type::List, "ciphers to the client, where they differ"),
    row("ssh.macs.to_client", Type::List, "MACs to the client, where they differ"),
    row("ssh.compression.to_client", Type::List, "compression to the client, where it differs"),
    row("ssh.strict_kex", Type::Bool, "strict key exchange is offered (CVE-2023-48795)"),
    row("ssh.fingerprint.<type>", Type::Text, "fingerprint of the host key of that type, SHA256:..."),
    row("ssh.key_bits.<type>", Type::Int, "size of the host key of that type, in bits"),
    row("ssh.login_banner", Type::Text, "text before the login (consent auth)"),
    row("ssh.auth_methods", Type::List, "methods offered to a request of none (consent auth)"),
];

const HTTP: &[Row] = &[
    row("http.status", Type::Int, "status of /"),
    row("http.version", Type::Text, "version of the answer: 1.0, 1.1"),
    row("http.header.<name>", Type::Text, "header of the answer to /, several joined by a line break"),
    row("http.title", Type::Text, "title of the page"),
    row("http.icon_hash", Type::Text, "SHA-256 of /favicon.ico in hex"),
    row("http.icon_number", Type::Int, "MurmurHash3 of the icon in base64, by which icons are known publicly"),
    row("http.redirects", Type::List, "Location of each redirect; another host is never followed"),
    row("http.body_start", Type::Text, "first 256 bytes of the body, redacted"),
    row("http.h2", Type::Bool, "HTTP/2 is offered"),
    row("http.path.<path>.status", Type::Int, "status of a path that a check asked for"),
    row("http.path.<path>.type", Type::Text, "its content type"),
    row("http.path.<path>.length", Type::Int, "length of its body as received, in bytes"),
    row("http.path.<path>.start", Type::Text, "first 256 bytes of its body, redacted"),
    row("http.control.status", Type::Int, "status of a random path: the negative control"),
    row("http.control.type", Type::Text, "content type of a random path"),
    row("http.control.length", Type::Int, "length of the body of a random path, in bytes"),
    row("http.control.start", Type::Text, "first 256 bytes of the body of a random path"),
    row("http.login_form", Type::Bool, "the page has a password field"),
    row("http.basic_clear", Type::Bool, "Basic authentication is asked for without TLS"),
    row("http.other_host.status", Type::Int, "status of / for a name that cannot exist"),
    row("http.other_host.title", Type::Text, "title of that page"),
    row("http.other_host.start", Type::Text, "first 256 characters of that page, redacted"),
    row(
        "http.proxy",
        Type::Bool,
        "it connects strangers onwards: to itself, and not to what cannot exist (consent odd)",
    ),
    row("http.trace", Type::Bool, "TRACE echoed our header (consent odd)"),
];

const MAIL: &[Row] = &[
    row("<service>.capabilities", Type::List, "capabilities before TLS"),
    row("<service>.starttls", Type::Bool, "TLS can be begun on the connection"),
    row("<service>.starttls_accepted", Type::Bool, "the command that begins TLS was accepted"),
    row("<service>.capabilities_tls", Type::List, "capabilities inside TLS"),
    row("smtp.auth", Type::List, "AUTH mechanisms before TLS"),
    row("smtp.vrfy_status", Type::Int, "reply to VRFY of a name that cannot exist, where a check asked"),
    row("smtp.relay_status", Type::Int, "reply to a recipient of another domain (consent odd); nothing is sent"),
    row("<service>.starttls_injection", Type::Bool, "a command sent before TLS was answered inside it (consent odd)"),
    row("imap.preauth", Type::Bool, "the greeting says that a login is not needed"),
    row("ftp.features", Type::List, "FEAT lines"),
    row("ftp.anonymous", Type::Bool, "anonymous login worked (consent auth)"),
    row("telnet.options", Type::List, "options that the server negotiates, as `DO ECHO`"),
];

const DATA: &[Row] = &[
    row("redis.protected_mode", Type::Bool, "refuses clients from other machines"),
    row("redis.mode", Type::Text, "standalone, sentinel, cluster"),
    row("rdp.protocols", Type::List, "security protocols: rdp, tls, nla"),
    row("rdp.nla_required", Type::Bool, "network level authentication is required"),
    row("vnc.security", Type::List, "security types"),
    row("mysql.auth_plugin", Type::Text, "authentication method of the greeting"),
    row("mysql.refused", Type::Text, "words of an error in place of the greeting"),
    row("postgresql.auth_method", Type::Text, "what a login as postgres is asked for: none, md5, sasl (consent auth)"),
    row("mssql.encryption", Type::Text, "login only, on, not supported, required"),
    row("ldap.anonymous", Type::Bool, "the root entry is shown without a login"),
    row("ldap.naming_contexts", Type::List, "naming contexts of the root entry"),
    row("ldap.versions", Type::List, "protocol versions of the root entry"),
    row("ldap.sasl", Type::List, "SASL mechanisms of the root entry"),
    row("ldap.host_name", Type::Text, "DNS host name of the root entry"),
    row("etcd.keys", Type::Int, "keys that a stranger could read"),
    row("docker.api_version", Type::Text, "version of the API"),
    row("ntp.stratum", Type::Int, "distance from a reference clock, 0 to 16"),
    row("snmp.engine", Type::Text, "engine id of version 3, in hex (RFC 3411)"),
    row("snmp.boots", Type::Int, "restarts since the engine was set up"),
    row("snmp.uptime_seconds", Type::Int, "seconds since the last restart"),
    row("snmp.enterprise", Type::Int, "IANA enterprise number in the engine id"),
    row("nats.tls_required", Type::Bool, "TLS must be begun"),
    row("rsync.modules", Type::List, "modules that are shown"),
    row("zookeeper.commands", Type::Bool, "four-letter commands are answered"),
    row("amqp.mechanisms", Type::List, "SASL mechanisms"),
    row("kafka.requests", Type::Int, "kinds of requests it knows"),
    row("kafka.brokers", Type::Int, "brokers that a stranger is told"),
    row("cassandra.cql_versions", Type::List, "versions of the query language"),
    row("x11.refused", Type::Text, "why a client without authorization is refused"),
    row("rpc.programs", Type::List, "programs: name, version, transport and port"),
    row("nfs.versions", Type::List, "versions of NFS over TCP"),
    row("epmd.nodes", Type::List, "names and ports of Erlang nodes"),
    row("ike.version1", Type::Bool, "version 1 answers"),
    row("ike.version1.accepted", Type::Bool, "it took a proposal with SHA-1 and a group of 1024 bits"),
    row("ike.version2", Type::Bool, "version 2 answers"),
    row("ike.version2.accepted", Type::Bool, "it took a proposal with AES, SHA-2 and a group of 2048 bits"),
    row("stun.software", Type::Text, "software it names"),
    row("sip.status", Type::Int, "status of the answer to OPTIONS"),
    row("sip.methods", Type::List, "methods it allows"),
    row("ssdp.location", Type::Text, "where the description of the device is"),
    row("mdns.services", Type::List, "kinds of services it announces"),
    row("coap.resources", Type::List, "paths it announces"),
    row("ipmi.auth_types", Type::List, "kinds of logins"),
    row("ipmi.anonymous_login", Type::Bool, "a login without name and password is on"),
    row("ipmi.null_users", Type::Bool, "users without a name are on"),
    row("netbios.names", Type::List, "names and kinds, `HOST<00>`"),
    row("mongodb.databases", Type::Int, "databases whose names a stranger is told"),
    row("smb.dialects", Type::List, "dialects"),
    row("smb.signing_required", Type::Bool, "signing is required"),
    row("smb.v1", Type::Bool, "version 1 is spoken"),
    row("elasticsearch.open", Type::Bool, "answers without authentication"),
    row("mqtt.anonymous", Type::Bool, "accepts a client without a name (consent auth)"),
    row("dns.recursion", Type::Bool, "resolves names that are not its own"),
    row("dns.version", Type::Text, "answer to version.bind"),
    row("dns.transfer", Type::Bool, "transfers a zone"),
    row("dns.transfer_zone", Type::Text, "the zone"),
    row("nfs.exports", Type::List, "paths that are exported, and to whom"),
    row("bgp.as", Type::Int, "number of the autonomous system"),
    row("bgp.id", Type::Text, "number of the router"),
    row("bgp.refused", Type::Text, "error of a NOTIFICATION: code and detail"),
    row("rtsp.methods", Type::List, "methods it allows"),
    row("pptp.result", Type::Int, "result of the start of a control connection; 1 is success"),
    row("slp.services", Type::List, "kinds of services it knows"),
    row("wsd.types", Type::List, "kinds of devices"),
    row("wsd.addresses", Type::List, "addresses of its descriptions"),
    row("kerberos.error", Type::Int, "number of the error for a user who does not exist"),
    row("kerberos.realm", Type::Text, "realm that the error names"),
    row("msrpc.endpoint_mapper", Type::Bool, "a binding to the endpoint mapper was taken"),
    row("msrpc.address", Type::Text, "address that the answer to the binding names"),
    row("activemq.wire_format", Type::Int, "version of the wire format"),
    row("zmtp.mechanism", Type::Text, "security mechanism: NULL, PLAIN, CURVE"),
    row("zmtp.socket_type", Type::Text, "kind of socket: PUB, ROUTER, REP, ..."),
    row("socks.relay", Type::Bool, "it connects strangers onwards, to itself (consent odd)"),
    row("ike.aggressive", Type::Bool, "aggressive mode is answered with a hash of the shared key, which is not kept"),
    row("ipmi.cipher_zero", Type::Bool, "a session without any protection was opened (consent odd)"),
    row("smb.compression", Type::Bool, "compression is agreed on"),
    row("smb.null_session", Type::Bool, "a session without a name was opened (consent auth)"),
    row("smb.guest", Type::Bool, "that session is a guest's"),
    row("ntp.control", Type::Bool, "answers mode 6 queries"),
    row("ntp.monlist", Type::Bool, "answers mode 7 monitor lists"),
    row("snmp.public", Type::Bool, "answers the community public (consent auth)"),
    row("snmp.description", Type::Text, "sysDescr"),
];

/// What every service may have.
const ANY: &[Row] = &[
    row("<service>.banner", Type::Text, "first line, redacted"),
    row("<service>.version", Type::Text, "version, as it names it"),
    row("<service>.auth_required", Type::Bool, "commands need a login"),
    row("<service>.host_name", Type::Text, "name of the host, as it tells strangers"),
    row("<service>.domain", Type::Text, "domain of the host, as it tells strangers"),
    row("<service>.system_version", Type::Text, "version of the system, as it tells strangers"),
    row("<service>.build", Type::Int, "build of the system"),
    row("<service>.tls_offered", Type::Bool, "TLS can be begun"),
    row("udp.request_bytes", Type::Int, "bytes of our request"),
    row("udp.reply_bytes", Type::Int, "bytes of its answer (amplification)"),
];

/// The row of a path.
pub fn find(path: &str) -> Option<&'static Row> {
    FACTS.iter().flat_map(|group| group.iter()).find(|row| fits(row.path, path))
}

/// A `<x>` takes one part, or as many as are left before what must follow.
fn fits(pattern: &str, path: &str) -> bool {
    let Some((front, rest)) = pattern.split_once('<') else { return pattern == path };
    let Some((_, back)) = rest.split_once('>') else { return pattern == path };
    path.strip_prefix(front).and_then(|p| p.strip_suffix(back)).is_some_and(|middle| !middle.is_empty())
}
