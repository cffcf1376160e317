//! Files, directories and Windows services.

use super::{Answer, Kind, Row, Subject, Verdict};
use crate::lang::job::{Consent, Protocol};

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "FTP-01",
        title: "FTP without TLS",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 4217", "PCI DSS 4.0.1 2.2.7"],
        threat: "Names, passwords and files cross the network in clear text.",
        impact: "Anybody on the way reads the password and changes files.",
        solution: "Offer and require AUTH TLS, or use SFTP.",
        control: "A connection that is inside TLS from its start is not reported; the answer to FEAT and AUTH TLS \
            counts.",
        judge: ftp_clear,
        ..Row::BASE
    },
    Row {
        id: "FTP-02",
        title: "FTP lets in anonymous users",
        severity: 3,
        kind: Kind::Confirmed,
        consent: Consent::Auth,
        references: &["CVE-1999-0497"],
        threat: "Anybody can read what lies there, and perhaps leave files.",
        impact: "Disclosure of files that nobody meant to publish; the server as a place to drop unlawful material.",
        solution: "Switch anonymous access off, or keep the folder read-only and empty of anything private.",
        control: "A server that refuses the log-in with 530 is not reported; nothing is listed or written.",
        judge: ftp_anonymous,
        ..Row::BASE
    },
    Row {
        id: "SMB-01",
        title: "Windows file sharing can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        threat: "File sharing that strangers can reach has carried the most damaging worms, and takes log-ins.",
        impact: "Guessed passwords and flaws before the log-in give files and often the host.",
        solution: "Close ports 445 and 139 at the edge; reach shares through a VPN.",
        control: "The service is recognised by its answer to a negotiate request; an open port alone is not reported.",
        judge: |s| s.reached(&["smb"]),
        ..Row::BASE
    },
    Row {
        id: "SMB-02",
        title: "SMB version 1 is accepted",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["CVE-2017-0144"],
        threat: "The first version has no protection of its messages, and its code had the flaw that the WannaCry \
            worm used.",
        impact: "Sessions can be changed on the way; on hosts without the update of 2017 the host is lost. The update \
            is not tested.",
        solution: "Switch version 1 off; all current systems speak versions 2 and 3.",
        control: "A server that refuses the dialect NT LM 0.12 is not reported.",
        judge: smb_one,
        ..Row::BASE
    },
    Row {
        id: "SMB-03",
        title: "SMB signing is not required",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["MS-SMB2"],
        threat: "Messages need not be signed: a log-in can be relayed to this server by somebody on the way.",
        impact: "An intruder who makes a user connect to him acts here in that user's name.",
        solution: "Require signing on the server.",
        control: "The security mode in the server's own negotiate answer counts; one that requires signing is not \
            reported.",
        judge: smb_signing,
        ..Row::BASE
    },
    Row {
        id: "NBT-01",
        title: "NetBIOS name service answers strangers",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 1002", "CVE-1999-0621"],
        threat: "The name table tells host, domain and user names.",
        impact: "It helps to prepare an attack; the answer is larger than the question and can be aimed at third \
            parties.",
        solution: "Close port 137 at the edge, and switch NetBIOS over TCP/IP off.",
        control: "The answer must carry our transaction number; silence is not reported.",
        judge: |s| s.reached(&["netbios"]),
        ..Row::BASE
    },
    Row {
        id: "LDP-01",
        title: "LDAP answers strangers",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 4513"],
        threat: "The directory tells its naming contexts to anybody, and takes log-ins.",
        impact: "Names of the organisation are disclosed, and passwords of the whole directory can be tried.",
        solution: "Close the port at the edge; allow anonymous reads of nothing but the root entry.",
        control: "A server that refuses the read of the root entry is not reported.",
        judge: ldap_open,
        ..Row::BASE
    },
    Row {
        id: "LDP-02",
        title: "Connectionless LDAP answers strangers",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["MS-ADTS", "US-CERT TA14-017A"],
        threat: "A small datagram with a forged sender brings a large answer to whoever is named as the sender.",
        impact: "The host takes part in attacks on others, at the cost of its own line.",
        solution: "Close port 389/udp at the edge.",
        control: "The answer must carry our message number; LDAP over TCP is not reported here.",
        judge: cldap,
        ..Row::BASE
    },
    Row {
        id: "NFS-01",
        title: "NFS can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        references: &["CVE-1999-0554", "RFC 1813"],
        threat: "NFS trusts the addresses and user numbers that its clients claim.",
        impact: "Exports are read, and often written, by whoever names the right number.",
        solution: "Close ports 111 and 2049 at the edge; export to named clients with Kerberos.",
        control: "The service is recognised by its answer to the null call; an open port alone is not reported.",
        judge: nfs,
        ..Row::BASE
    },
    Row {
        id: "RPB-01",
        title: "The port mapper answers strangers",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 1833", "CVE-1999-0632"],
        threat: "It lists the programs of the host to anybody; over UDP the list can be aimed at third parties.",
        impact: "It helps to prepare an attack, and the host takes part in attacks on others.",
        solution: "Close port 111 at the edge, and switch the service off where nothing needs it.",
        control: "The reply must carry our transaction number; an open port alone is not reported.",
        judge: |s| s.reached(&["rpc"]),
        ..Row::BASE
    },
    Row {
        id: "RSY-01",
        title: "rsync can be reached",
        severity: 4,
        kind: Kind::Confirmed,
        threat: "The daemon lists its modules to anybody; a module without users is read, and perhaps written, by \
            anybody.",
        impact: "Backups and web roots are disclosed or changed.",
        solution: "Run rsync over SSH, or close port 873 and give each module users and allowed hosts.",
        control: "The service is recognised by its @RSYNCD greeting; an open port alone is not reported.",
        judge: rsync,
        ..Row::BASE
    },
];

fn ftp_clear(subject: &Subject<'_>) -> Answer {
    subject.speaks_clear(&["ftp"])?;
    Ok(Verdict::when(!subject.bool("ftp.starttls")?, || "AUTH TLS is not offered".into()))
}

fn ftp_anonymous(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["ftp"])?;
    Ok(Verdict::when(subject.bool("ftp.anonymous")?, || "the user `anonymous` was let in".into()))
}

fn smb_one(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["smb"])?;
    Ok(Verdict::when(subject.bool("smb.v1")?, || "the dialect NT LM 0.12 was accepted".into()))
}

fn smb_signing(subject: &Subject<'_>) -> Answer {
    subject.speaks(&["smb"])?;
    Ok(Verdict::when(!subject.bool("smb.signing_required")?, || "the security mode does not require signing".into()))
}

fn ldap_open(subject: &Subject<'_>) -> Answer {
    if subject.on_service()?.protocol != Protocol::Tcp {
        return Err(Verdict::NotApplicable);
    }
    subject.speaks(&["ldap"])?;
    let Some(contexts) = subject.bool("ldap.anonymous")?.then(|| subject.list("ldap.naming_contexts")) else {
        return Ok(Verdict::Clear);
    };
    let contexts = contexts.map(|c| format!("; naming contexts: {}", c.join(", "))).unwrap_or_default();
    Ok(Verdict::found(format!("the root entry was read without a login{contexts}")))
}

fn cldap(subject: &Subject<'_>) -> Answer {
    if subject.speaks(&["ldap", "cldap"])?.protocol != Protocol::Udp {
        return Err(Verdict::NotApplicable);
    }
    Ok(Verdict::found(format!("{}{}", subject.known_by()?, subject.ratio()?)))
}

/// Modules, where they were listed; without a list the service itself is the finding.
fn rsync(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["rsync"])?;
    let modules = service.facts.list("rsync.modules").filter(|m| !m.is_empty());
    let modules = modules.map(|m| format!("; modules: {}", m.join(", "))).unwrap_or_default();
    Ok(Verdict::found(format!("{}{modules}", subject.known_by()?)))
}

/// Exports, where they were listed; without a list the service itself is the finding.
fn nfs(subject: &Subject<'_>) -> Answer {
    let service = subject.speaks(&["nfs", "mount"])?;
    let exports = service.facts.list("nfs.exports");
    if exports.is_some_and(<[String]>::is_empty) {
        return Ok(Verdict::Clear);
    }
    let exports = exports.map(|e| format!("; exports: {}", e.join(", "))).unwrap_or_default();
    Ok(Verdict::found(format!("{}{exports}", subject.known_by()?)))
}
