//! Remote access besides SSH: log-in and management services that strangers can reach.

use super::{Answer, Kind, Row, Subject, Verdict, among};

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "TEL-01",
        title: "Telnet can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["RFC 854", "CIS AWS Foundations 5.0 5.3"],
        threat: "Names, passwords and sessions cross the network in clear text.",
        impact: "Anybody on the way reads the password; the service is also a favourite of self-spreading programs.",
        solution: "Switch Telnet off and use SSH; where a device has nothing else, put it behind a VPN.",
        control: "The service is recognised by its option negotiation; an open port 23 alone is not reported.",
        judge: |s| s.reached(&["telnet"]),
        ..Row::BASE
    },
    Row {
        id: "RDP-01",
        title: "Remote desktop can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["CIS Azure Foundations 2.0 6.1", "CIS AWS Foundations 5.0 5.3"],
        threat: "Remote desktop that strangers can reach is a common first step of extortion gangs: stolen passwords \
            and log-in flaws.",
        impact: "A guessed password gives a desktop on the host.",
        solution: "Reach it through a gateway, a bastion or a VPN with a second factor; close the port to the internet.",
        control: "The service is recognised by its connection confirm; an open port 3389 alone is not reported.",
        judge: |s| s.reached(&["rdp"]),
        ..Row::BASE
    },
    Row {
        id: "RDP-02",
        title: "Remote desktop does not require network level authentication",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["MS-RDPBCGR"],
        threat: "Strangers get a log-in screen and the code behind it before they have shown who they are.",
        impact: "Flaws before the log-in can be used, and every visitor costs a session.",
        solution: "Require network level authentication on the host or by group policy.",
        control: "A server that turns down every protocol but network level authentication is not reported.",
        judge: network_level,
        ..Row::BASE
    },
    Row {
        id: "VNC-01",
        title: "VNC can be reached",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 6143"],
        threat: "Most VNC servers know one short password for all, and many send screens in clear text.",
        impact: "A guessed password gives screen, keyboard and mouse.",
        solution: "Reach it through SSH or a VPN; close the port to the internet.",
        control: "The service is recognised by its protocol version message; an open port alone is not reported.",
        judge: |s| s.reached(&["vnc"]),
        ..Row::BASE
    },
    Row {
        id: "VNC-02",
        title: "VNC lets in without authentication",
        severity: 5,
        kind: Kind::Confirmed,
        references: &["RFC 6143 section 7.1.2"],
        threat: "The server offers security type 1, None: anybody who reaches the port sees and drives the screen.",
        impact: "Whoever connects acts as the person at the screen.",
        solution: "Set a password or use a security type with keys, and close the port to the internet.",
        control: "A server that offers other security types only is not reported; the list is its own.",
        judge: vnc_open,
        ..Row::BASE
    },
    Row {
        id: "X11-01",
        title: "An X server lets in without access control",
        severity: 5,
        kind: Kind::Confirmed,
        references: &["CVE-1999-0526"],
        threat: "Anybody who reaches the port can read the screen and the keyboard and send key strokes.",
        impact: "Passwords are read as they are typed; commands can be typed in the user's name.",
        solution: "Start the server with -nolisten tcp, use access control, and forward X through SSH.",
        control: "A server with access control answers the same connection setup with Failed, which is not reported.",
        judge: |s| s.lets_in("x11"),
        ..Row::BASE
    },
    Row {
        id: "WRM-01",
        title: "Windows remote management can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["CISA BOD 23-02"],
        threat: "A management service takes log-ins from strangers.",
        impact: "A stolen or guessed password runs commands on the host.",
        solution: "Allow it from management networks only; close ports 5985 and 5986 to the internet.",
        control: "The service is recognised by its answer to a request for /wsman; other web servers are not reported.",
        judge: |s| s.reached(&["winrm"]),
        ..Row::BASE
    },
    Row {
        id: "ADB-01",
        title: "Android debug bridge can be reached",
        severity: 5,
        kind: Kind::Confirmed,
        threat: "The debug bridge gives a shell; many devices ask for no key.",
        impact: "Whoever connects can install programs and read all data of the device.",
        solution: "Switch network debugging off, and close the port to the internet.",
        control: "The service is recognised by its CNXN or AUTH message; an open port 5555 alone is not reported.",
        judge: |s| s.reached(&["adb"]),
        ..Row::BASE
    },
];

fn network_level(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["rdp"])?;
    let required = subject.bool("rdp.nla_required")?;
    Ok(Verdict::when(!required, || "a connection without network level authentication was confirmed".into()))
}

fn vnc_open(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["vnc"])?;
    let types = subject.list("vnc.security")?;
    let open = !among(types, &["none", "1"]).is_empty();
    Ok(Verdict::when(open, || format!("security types offered: {}", types.join(", "))))
}
