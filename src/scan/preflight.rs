//! Which mode a scan runs in, decided before the first packet and said aloud. Raw mode needs Linux, the right to send
//! own frames, and routes that lead to a link with hardware addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::answer::{BLOCK, Ports};
use super::link::datalink;
use super::link::route::{Route, routes};
use super::observation::Mode;
use super::{ScanError, ScanInput};

/// First of the source ports, where the kernel's own end below it.
const FIRST_PORT: u16 = 61_000;

/// What was decided.
pub(super) struct Chosen {
    pub(super) mode: Mode,
    pub(super) notes: Vec<String>,
    /// Routes by destination, for raw mode.
    pub(super) routes: BTreeMap<IpAddr, Route>,
    /// Source ports of our own, for raw mode.
    pub(super) ports: Ports,
}

/// Decides the mode.
pub(super) fn preflight(input: &ScanInput<'_>) -> Result<Chosen, ScanError> {
    let connect = |notes| Ok(Chosen { mode: Mode::Connect, notes, routes: BTreeMap::new(), ports: Ports(FIRST_PORT) });
    if input.mode == Some(Mode::Connect) {
        return connect(vec!["mode connect: as asked".into()]);
    }
    let asked = input.mode == Some(Mode::Raw);
    if let Err(why) = may_send_frames() {
        return if asked { Err(ScanError::NoRight(why)) } else { connect(vec![format!("mode connect: {why}")]) };
    }
    let destinations: Vec<IpAddr> = input.plan.targets.iter().map(|t| t.addr()).collect();
    let routes = match routes(&destinations) {
        Ok(routes) => routes,
        Err(error) if asked => return Err(ScanError::NoRight(format!("the kernel's routes: {error}"))),
        Err(error) => return connect(vec![format!("mode connect: cannot read the kernel's routes ({error})")]),
    };
    let unsuitable = routes.values().find_map(|r| {
        let facts = datalink::facts(r.interface)?;
        (r.local || facts.loopback || facts.hardware.is_none()).then_some(facts.name)
    });
    match unsuitable {
        Some(name) if asked => Err(ScanError::NoRight(format!(
            "a target is reached over {name}, which carries no frames with hardware addresses"
        ))),
        Some(name) => connect(vec![format!(
            "mode connect: a target is reached over {name}, which carries no frames with hardware addresses"
        )]),
        None => {
            let (ports, note) = own_ports();
            Ok(Chosen { mode: Mode::Raw, notes: vec!["mode raw: own frames".into(), note], routes, ports })
        }
    }
}

/// Ports outside the range that the kernel gives to connections, and what that means: a SYN-ACK to a port that no socket
/// has is answered by the kernel with a reset, which closes the half-open connection and harms nobody; one to a port
/// that some program uses could disturb it.
fn own_ports() -> (Ports, String) {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = range.split_whitespace().filter_map(|n| n.parse::<u16>().ok());
    let (low, high) = (ends.next().unwrap_or(32_768), ends.next().unwrap_or(60_999));
    let free = |first: u16| first > high || first + (BLOCK - 1) < low;
    let choice = [FIRST_PORT, low.saturating_sub(BLOCK).max(1_024), 20_000, 10_000].into_iter().find(|p| free(*p));
    let ports = Ports(choice.unwrap_or(FIRST_PORT));
    let (first, last) = ports.range();
    let note = match choice {
        Some(_) => format!(
            "source ports {first}-{last}, outside the kernel's own {low}-{high}; the kernel resets what answers there"
        ),
        None => format!(
            "source ports {first}-{last} lie within the kernel's own {low}-{high}: connections of other programs may use them too"
        ),
    };
    (ports, note)
}

/// Whether this process holds CAP_NET_RAW; the error says what it lacks.
fn may_send_frames() -> Result<(), String> {
    match caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_NET_RAW) {
        Ok(true) => Ok(()),
        Ok(false) => Err("this process has not the right CAP_NET_RAW".into()),
        Err(error) => Err(format!("cannot read the rights of this process: {error}")),
    }
}
