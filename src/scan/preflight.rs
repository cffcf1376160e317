//! Which mode a scan runs in, decided before the first packet and said aloud. Raw mode needs Linux, the right to send
//! own frames, and routes that lead to a link with hardware addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::answer::Ports;
use super::link::datalink;
use super::link::route::{Route, routes};
use super::observation::Mode;
use super::own_ports::{FIRST_PORT, own_ports};
use super::{ScanError, ScanInput};

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
    // Reading the kernel's sockets takes as long as reading its routes.
    let own = std::thread::spawn(own_ports);
    let destinations: Vec<IpAddr> = input.plan.targets.iter().map(|t| t.addr()).collect();
    let routes = match routes(&destinations) {
        Ok(routes) => routes,
        Err(error) if asked => return Err(ScanError::NoRight(format!("the kernel's routes: {error}"))),
        Err(error) => return connect(vec![format!("mode connect: cannot read the kernel's routes ({error})")]),
    };
    let kinds: BTreeSet<(u32, bool)> = routes.values().map(|r| (r.interface, r.local)).collect();
    let unsuitable = kinds.into_iter().find_map(|(interface, local)| {
        let facts = datalink::facts(interface)?;
        (local || facts.loopback || facts.hardware.is_none()).then_some(facts.name)
    });
    match unsuitable {
        Some(name) if asked => Err(ScanError::NoRight(format!(
            "a target is reached over {name}, which carries no frames with hardware addresses"
        ))),
        Some(name) => connect(vec![format!(
            "mode connect: a target is reached over {name}, which carries no frames with hardware addresses"
        )]),
        None => {
            let (ports, note) = own.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(Chosen { mode: Mode::Raw, notes: vec!["mode raw: own frames".into(), note], routes, ports })
        }
    }
}

/// Whether this process holds CAP_NET_RAW; the error says what it lacks.
fn may_send_frames() -> Result<(), String> {
    match caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_NET_RAW) {
        Ok(true) => Ok(()),
        Ok(false) => Err("this process has not the right CAP_NET_RAW".into()),
        Err(error) => Err(format!("cannot read the rights of this process: {error}")),
    }
}
