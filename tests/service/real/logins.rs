//! Servers that people log in to: SSH, FTP, mail, desktops.

use std::process::Command;

use super::{Kind, Site};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "OpenSSH", programs: &["sshd"], start: openssh, truth: "openssh" },
    Kind { name: "Dropbear", programs: &["dropbear"], start: dropbear, truth: "dropbear" },
    Kind { name: "vsftpd", programs: &["vsftpd"], start: vsftpd, truth: "vsftpd" },
    Kind { name: "Exim", programs: &["exim4"], start: exim, truth: "exim" },
    Kind { name: "Dovecot", programs: &["dovecot"], start: dovecot, truth: "dovecot" },
    Kind { name: "TigerVNC", programs: &["Xtigervnc"], start: tigervnc, truth: "tigervnc" },
    Kind { name: "xrdp", programs: &["xrdp"], start: xrdp, truth: "xrdp" },
    Kind { name: "Xvfb", programs: &["Xvfb"], start: xvfb, truth: "xvfb" },
    Kind { name: "inetd", programs: &["inetd", "telnetd"], start: inetd, truth: "inetd" },
    Kind { name: "Samba", programs: &["smbd", "nmbd"], start: samba, truth: "samba" },
];

fn openssh(site: &Site) -> Vec<Command> {
    let _ = std::fs::create_dir_all("/run/sshd");
    for (kind, bits) in [("ed25519", "256"), ("rsa", "2048")] {
        let file = site.folder.0.join(format!("host-{kind}"));
        super::done(Command::new("ssh-keygen").args(["-q", "-t", kind, "-b", bits, "-N", "", "-f"]).arg(file));
    }
    let rest = "PidFile none\nUsePAM no\nStrictModes no\n";
    let new = format!("Port 22\nListenAddress 198.18.91.1\nHostKey @D/host-ed25519\nHostKey @D/host-rsa\n{rest}");
    let weak = format!(
        "Port 2022\nListenAddress 198.18.91.2\nHostKey @D/host-rsa\nKexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1\n\
         Ciphers aes128-cbc,3des-cbc\nMACs hmac-sha1-96,hmac-md5\nHostKeyAlgorithms ssh-rsa\n{rest}"
    );
    site.write("sshd-new", &new);
    site.write("sshd-weak", &weak);
    vec![site.line("/usr/sbin/sshd -D -e -f @D/sshd-new"), site.line("/usr/sbin/sshd -D -e -f @D/sshd-weak")]
}

/// Keys alone, a port of its own.
fn dropbear(site: &Site) -> Vec<Command> {
    site.prepare("dropbearkey -t ed25519 -f @D/dropbear-key");
    vec![site.line("dropbear -F -E -s -r @D/dropbear-key -p 198.18.91.50:2222 -P @D/dropbear.pid")]
}

fn vsftpd(site: &Site) -> Vec<Command> {
    site.make_folder("ftp");
    site.write(
        "vsftpd.conf",
        "listen=YES\nlisten_address=198.18.91.7\nbackground=NO\nanonymous_enable=YES\nanon_root=@D/ftp\n\
         secure_chroot_dir=@D/ftp\nnopriv_user=nobody\nrun_as_launching_user=YES\nseccomp_sandbox=NO\n",
    );
    vec![site.line("/usr/sbin/vsftpd @D/vsftpd.conf")]
}

fn exim(site: &Site) -> Vec<Command> {
    site.make_folder("spool");
    site.prepare("chown Debian-exim @D/spool");
    site.prepare("install -m 644 @D/good.key @D/mail.key");
    site.write(
        "exim.conf",
        "primary_hostname = mail.example\nspool_directory = @D/spool\nlocal_interfaces = 198.18.91.8\n\
         daemon_smtp_ports = 25\ntls_advertise_hosts = *\ntls_certificate = @D/good.pem\ntls_privatekey = @D/mail.key\n\
         acl_smtp_rcpt = refuse\nbegin acl\nrefuse:\n  deny\n",
    );
    vec![site.line("/usr/sbin/exim4 -bdf -C @D/exim.conf")]
}

fn dovecot(site: &Site) -> Vec<Command> {
    site.write(
        "dovecot.conf",
        "base_dir = @D/dovecot\nlog_path = /dev/stderr\nprotocols = imap pop3\ndefault_process_limit = 1000\n\
         listen = 198.18.91.9\nssl = yes\nssl_cert = <@D/good.pem\nssl_key = <@D/good.key\n\
         mail_location = maildir:@D/mail\ndefault_login_user = nobody\ndefault_internal_user = nobody\n\
         default_internal_group = nogroup\npassdb {\n  driver = static\n  args = nopassword=n\n}\n",
    );
    vec![site.line("/usr/sbin/dovecot -F -c @D/dovecot.conf")]
}

/// One that lets everybody in, and one that asks for a password.
fn tigervnc(site: &Site) -> Vec<Command> {
    let rest = "-geometry 64x64 -nolisten tcp -ac";
    // Eight bytes, obscured in the way that every VNC password file is.
    std::fs::write(site.folder.0.join("vnc-password"), [0x17, 0x52, 0x6b, 0x06, 0x23, 0x4e, 0x58, 0x07]).unwrap();
    // Displays are the whole machine's; test runs must not meet there.
    let first = 1_000 + std::process::id() % 20_000 * 2;
    let second = first + 1;
    vec![
        site.line(&format!("Xtigervnc :{first} -rfbport 5901 -interface 198.18.91.39 -SecurityTypes None {rest}")),
        site.line(&format!(
            "Xtigervnc :{second} -rfbport 5900 -interface 198.18.91.40 -SecurityTypes VncAuth -PasswordFile @D/vnc-password {rest}"
        )),
    ]
}

fn xrdp(site: &Site) -> Vec<Command> {
    site.write(
        "xrdp.ini",
        "[Globals]\nini_version=1\nfork=true\nport=tcp://198.18.91.41:3389\nsecurity_layer=negotiate\ncrypt_level=high\n\
         certificate=@D/good.pem\nkey_file=@D/good.key\nssl_protocols=TLSv1.2, TLSv1.3\nautorun=\nallow_channels=false\n\
         max_bpp=24\n[Logging]\nLogFile=@D/xrdp.out\nLogLevel=WARNING\nEnableSyslog=false\n[Xorg]\nname=Xorg\nlib=libxup.so\n",
    );
    vec![site.line("/usr/sbin/xrdp -n -c @D/xrdp.ini")]
}

/// An X server that lets in anybody, on every address.
fn xvfb(site: &Site) -> Vec<Command> {
    vec![site.apart(49, "Xvfb :93 -nolock -listen tcp -nolisten unix -nolisten local -ac -screen 0 64x64x8")]
}

/// Telnet, and small services in datagrams.
fn inetd(site: &Site) -> Vec<Command> {
    let inner = |name: &str| format!("198.18.91.47:{name} dgram udp wait root internal\n");
    let telnet = "198.18.91.47:telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n";
    site.write("inetd.conf", &[telnet, &inner("echo"), &inner("daytime"), &inner("chargen")].concat());
    vec![site.line("/usr/sbin/inetd -i @D/inetd.conf")]
}

fn samba(site: &Site) -> Vec<Command> {
    site.hold("198.18.91.35/32");
    for folder in ["private", "lock", "state", "cache", "pid"] {
        site.make_folder(&format!("samba/{folder}"));
    }
    site.write(
        "smb.conf",
        "[global]\nworkgroup = LAB\nnetbios name = FILES\ninterfaces = 198.18.91.35/32\nbind interfaces only = yes\n\
         private dir = @D/samba/private\nlock directory = @D/samba/lock\nstate directory = @D/samba/state\n\
         cache directory = @D/samba/cache\npid directory = @D/samba/pid\nncalrpc dir = @D/samba/ncalrpc\n\
         logging = file\nlog file = @D/samba.out\nload printers = no\ndisable spoolss = yes\nlocal master = no\n",
    );
    vec![
        site.line("/usr/sbin/smbd -F --no-process-group -s @D/smb.conf"),
        site.line("/usr/sbin/nmbd -F --no-process-group -s @D/smb.conf"),
    ]
}
