//! Targets times questions, numbered by arithmetic: the order in which pairs are asked, and the way back from an answer
//! to its place in that order. Memory grows with targets and with questions, never with pairs.

use super::observation::ProbeKind;
use crate::lang::job::Ping;
use crate::plan::order::Order;

/// One question to every target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Ask {
    Echo,
    Timestamp,
    Tcp(u16),
    Ack(u16),
    Udp(u16),
}

impl Ask {
    /// The questions of a ping.
    pub(super) fn of(ping: &Ping) -> Vec<Self> {
        match ping {
            Ping::Icmp => vec![Self::Echo],
            Ping::Timestamp => vec![Self::Timestamp],
            Ping::Tcp(ports) => ports.iter().map(Self::Tcp).collect(),
            Ping::TcpAck(ports) => ports.iter().map(Self::Ack).collect(),
            Ping::Udp(ports) => ports.iter().map(Self::Udp).collect(),
        }
    }

    /// How the ledger counts it.
    pub(super) fn entry(self) -> (ProbeKind, u16) {
        match self {
            Self::Echo => (ProbeKind::Echo, 0),
            Self::Timestamp => (ProbeKind::Timestamp, 0),
            Self::Tcp(port) => (ProbeKind::Syn, port),
            Self::Ack(port) => (ProbeKind::Ack, port),
            Self::Udp(port) => (ProbeKind::Udp, port),
        }
    }
}

/// No such host or question.
const NONE: u32 = u32::MAX;

/// A grid in the order of a seed.
#[derive(Debug)]
pub(super) struct Grid {
    hosts: Vec<u32>,
    asks: Vec<Ask>,
    order: Order,
    slot_of_host: Vec<u32>,
    tcp: Vec<u32>,
    udp: Vec<u32>,
}

impl Grid {
    /// `hosts` are numbers below `all`.
    pub(super) fn new(hosts: Vec<u32>, asks: Vec<Ask>, all: usize, seed: u64) -> Self {
        let mut slot_of_host = vec![NONE; all];
        for (slot, host) in hosts.iter().enumerate() {
            if let Some(place) = slot_of_host.get_mut(*host as usize) {
                *place = slot as u32;
            }
        }
        let by_port = |wanted: fn(&Ask) -> Option<u16>| {
            let ports: Vec<(usize, u16)> =
                asks.iter().enumerate().filter_map(|(i, ask)| wanted(ask).map(|p| (i, p))).collect();
            let mut table = if ports.is_empty() { Vec::new() } else { vec![NONE; 65_536] };
            for (i, port) in ports {
                if let Some(place) = table.get_mut(usize::from(port)) {
                    *place = i as u32;
                }
            }
            table
        };
        let tcp = by_port(|ask| if let Ask::Tcp(p) = ask { Some(*p) } else { None });
        let udp = by_port(|ask| if let Ask::Udp(p) = ask { Some(*p) } else { None });
        let order = Order::new(hosts.len() as u64 * asks.len() as u64, seed);
        Self { hosts, asks, order, slot_of_host, tcp, udp }
    }

    /// Number of pairs.
    pub(super) fn len(&self) -> u64 {
        self.order.len()
    }

    pub(super) fn hosts(&self) -> &[u32] {
        &self.hosts
    }

    pub(super) fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// Host and question at a position.
    pub(super) fn pair(&self, position: u64) -> Option<(u32, Ask)> {
        let number = self.order.at(position)?;
        let hosts = self.hosts.len() as u64;
        let host = self.hosts.get((number % hosts) as usize)?;
        Some((*host, *self.asks.get((number / hosts) as usize)?))
    }

    /// The position of a host's TCP or UDP port.
    pub(super) fn position(&self, host: u32, tcp: bool, port: u16) -> Option<u64> {
        let table = if tcp { &self.tcp } else { &self.udp };
        let ask = *table.get(usize::from(port)).filter(|i| **i != NONE)?;
        let slot = *self.slot_of_host.get(host as usize).filter(|s| **s != NONE)?;
        self.order.position(u64::from(ask) * self.hosts.len() as u64 + u64::from(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_pairs_are_each_others_inverse() {
        let asks = vec![Ask::Echo, Ask::Tcp(443), Ask::Udp(53), Ask::Tcp(80)];
        let grid = Grid::new(vec![1, 4, 5], asks.clone(), 7, 99);
        assert_eq!(grid.len(), 12);
        let mut seen = std::collections::HashSet::new();
        for position in 0..12 {
            let (host, ask) = grid.pair(position).unwrap();
            assert!(seen.insert((host, ask)));
            match ask {
                Ask::Tcp(p) => assert_eq!(grid.position(host, true, p), Some(position)),
                Ask::Udp(p) => assert_eq!(grid.position(host, false, p), Some(position)),
                _ => {}
            }
        }
        assert_eq!(grid.pair(12), None);
        for (host, tcp, port) in [(0, true, 443), (1, false, 443), (1, true, 22), (9, true, 80)] {
            assert_eq!(grid.position(host, tcp, port), None);
        }
    }
}
