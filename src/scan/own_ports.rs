//! Source ports that are the scan's own: no program of this machine uses them, and the kernel gives them to none.
//!
//! A SYN-ACK to a port that no socket has is answered by the kernel with a reset (RFC 9293 3.10.7.1), which closes the
//! half-open connection and harms nobody; one to a port that some program uses could disturb it. Linux,
//! `Documentation/networking/ip-sysctl.rst`: `ip_local_port_range`, `ip_local_reserved_ports`.

use std::collections::BTreeSet;
use std::io::Read;

use super::answer::{BLOCK, Ports};

/// First of the source ports, where the kernel's own end below it.
pub(super) const FIRST_PORT: u16 = 61_000;

/// Bytes read of a table at once.
const TABLE_BYTES: usize = 1 << 16;

/// What the kernel says of local ports.
struct LocalPorts {
    /// First and last that it gives to connections.
    given: (u16, u16),
    /// First and last of those that it gives to none.
    reserved: Vec<(u16, u16)>,
    /// Ports that sockets are bound to; none where that cannot be read.
    bound: Option<BTreeSet<u16>>,
}

/// A table of the kernel's sockets. The kernel walks all of them anew at each read, for about a millisecond: small reads
/// would cost a scan of one port a third of its time.
fn table(name: &str) -> std::io::Result<String> {
    let file = std::fs::File::open(format!("/proc/thread-self/net/{name}"))?;
    let mut text = String::with_capacity(TABLE_BYTES);
    std::io::BufReader::with_capacity(TABLE_BYTES, file).read_to_string(&mut text)?;
    Ok(text)
}

impl LocalPorts {
    fn read() -> Self {
        let setting = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
        // Without IPv6 its tables do not exist.
        let tables = std::thread::scope(|scope| {
            let v6 = scope.spawn(|| ["tcp6", "udp6"].map(|name| table(name).unwrap_or_default()).concat());
            let v4 = table("tcp").and_then(|tcp| Ok([tcp, table("udp")?].concat()));
            v4.map(|v4| [v4, v6.join().unwrap_or_default()].concat())
        });
        Self::of(&setting("ip_local_port_range"), &setting("ip_local_reserved_ports"), tables.ok().as_deref())
    }

    fn of(given: &str, reserved: &str, sockets: Option<&str>) -> Self {
        let mut ends = given.split_whitespace().filter_map(|n| n.parse().ok());
        let reserved = reserved.trim().split(',').filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        // The second column is the local address and port, in hexadecimal digits; heads of tables have none.
        let bound = |line: &str| {
            let (_, port) = line.split_whitespace().nth(1)?.rsplit_once(':')?;
            u16::from_str_radix(port, 16).ok()
        };
        Self {
            given: (ends.next().unwrap_or(32_768), ends.next().unwrap_or(60_999)),
            reserved: reserved.collect(),
            bound: sockets.map(|text| text.lines().filter_map(bound).collect()),
        }
    }

    /// The first block that nobody uses or will be given, and in words what of that is proven.
    fn choose(&self) -> (Ports, String) {
        let (low, high) = self.given;
        let last = |first: u16| first + (BLOCK - 1);
        let outside = |first: u16| first > high || last(first) < low;
        let reserved = |first: u16| {
            (first..=last(first)).all(|port| self.reserved.iter().any(|(from, to)| (*from..=*to).contains(&port)))
        };
        let taken = |first: u16| self.bound.as_ref().and_then(|b| b.range(first..=last(first)).next().copied());
        let blocks = || {
            let below = low.saturating_sub(BLOCK).clamp(1_024, u16::MAX - BLOCK);
            [FIRST_PORT, below].into_iter().chain((1..u16::MAX / BLOCK).rev().map(|n| n * BLOCK))
        };
        let kept = |first: &u16| outside(*first) || reserved(*first);
        let first = blocks()
            .find(|first| kept(first) && taken(*first).is_none())
            .or_else(|| blocks().find(kept))
            .unwrap_or(FIRST_PORT);
        let given = match (outside(first), reserved(first)) {
            (true, _) => format!("outside the kernel's own {low}-{high}"),
            (false, true) => "reserved by ip_local_reserved_ports".into(),
            (false, false) => {
                format!("within the kernel's own {low}-{high}: connections of other programs may use them too")
            }
        };
        let used = match (&self.bound, taken(first)) {
            (None, _) => "whether sockets are bound there cannot be read".into(),
            (_, None) => "no socket of this machine is bound there".into(),
            (_, Some(port)) => format!("a socket of this machine is bound to {port}, and no other block is free"),
        };
        let note =
            format!("source ports {first}-{}, {given}; {used}; the kernel resets what answers there", last(first));
        (Ports(first), note)
    }
}

/// Source ports of our own, and in words what is proven of them.
pub(super) fn own_ports() -> (Ports, String) {
    LocalPorts::read().choose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(given: &str, reserved: &str, sockets: Option<&[&str]>) -> String {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue\n";
        let line = |at: &&str| format!("   0: {at} 00000000:0000 0A 00000000:00000000\n");
        let sockets = sockets.map(|all| head.to_string() + all.iter().map(line).collect::<String>().as_str());
        let (ports, note) = LocalPorts::of(given, reserved, sockets.as_deref()).choose();
        assert!(note.starts_with(&format!("source ports {}-", ports.0)), "{note}");
        note.trim_end_matches("; the kernel resets what answers there").trim_start_matches("source ports ").into()
    }

    #[test]
    fn what_is_proven_of_the_source_ports_is_told() {
        let free = "no socket of this machine is bound there";
        assert_eq!(
            chosen("32768\t60999\n", "\n", Some(&["0100007F:07E8", "0100007F:EE47"])),
            format!("61000-65095, outside the kernel's own 32768-60999; {free}")
        );
        assert_eq!(
            chosen("32768\t60999\n", "\n", Some(&["0100007F:EE48"])),
            format!("28672-32767, outside the kernel's own 32768-60999; {free}"),
            "61000 is taken"
        );
        assert_eq!(
            chosen("32768 60999", "", Some(&["00000000000000000000000001000000:FE47", "00000000:7FFF"])),
            format!("24576-28671, outside the kernel's own 32768-60999; {free}"),
            "65095 and 32767 are taken"
        );
        assert_eq!(
            chosen("1024 65535", "80,61000-63000,63001-65095\n", Some(&[])),
            format!("61000-65095, reserved by ip_local_reserved_ports; {free}")
        );
        let shared = "connections of other programs may use them too";
        assert_eq!(
            chosen("1024 65535", "61000-65094", Some(&[])),
            format!("61000-65095, within the kernel's own 1024-65535: {shared}; {free}")
        );
        assert_eq!(
            chosen("32768 60999", "", None),
            "61000-65095, outside the kernel's own 32768-60999; whether sockets are bound there cannot be read"
        );
        assert_eq!(
            chosen("5121 60999", "", Some(&["0:EE48", "0:0500"])),
            "61000-65095, outside the kernel's own 5121-60999; a socket of this machine is bound to 61000, and no other block is free"
        );
    }

    #[test]
    fn this_machine_can_be_read() {
        assert!(LocalPorts::read().bound.is_some());
    }
}
