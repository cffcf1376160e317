//! The frame of a question to a host.

use super::engine::Engine;
use super::grid::Ask;
use super::link::Batch;
use super::payload;
use super::template::{Fields, Route, Template};

impl Engine {
    /// Adds the frame of a question to the batch; false where it cannot be built.
    pub(super) fn build(&self, host_number: u32, ask: Ask, source_port: u16, batch: &mut Batch) -> bool {
        let Some(aim) = self.aims.get(host_number as usize) else { return false };
        let source = usize::from(aim.source);
        let (Some((syn, ack)), Some((from, hardware))) = (self.templates.get(source), self.sources.get(source)) else {
            return false;
        };
        let destination = aim.destination;
        let route = Route { source: *from, hardware: *hardware, destination, next_hop: aim.next_hop };
        let tcp = |template: &Template, source_port: u16, port: u16, batch: &mut Batch| {
            let sequence = self.cookies.tcp(destination, port, source_port);
            let fields = Fields { destination, next_hop: aim.next_hop, source_port, port, sequence };
            template.finish(batch.push(template.bytes()), &fields);
        };
        match ask {
            Ask::Tcp(port) => tcp(syn, source_port, port, batch),
            Ask::Ack(port) => tcp(ack, self.cookies.ports.ack(self.round), port, batch),
            Ask::Udp(port) => {
                let payload = payload::udp(port);
                let own = self.cookies.udp_port(destination, port);
                route.udp(batch.add(route.udp_len(payload)), own, port, payload);
            }
            // ICMPv6 has no timestamps; an echo request asks the same.
            Ask::Echo | Ask::Timestamp => {
                let timestamp = ask == Ask::Timestamp && destination.is_ipv4();
                let cookie = self.cookies.icmp(destination, timestamp, self.round);
                route.icmp(batch.add(route.icmp_len(timestamp)), timestamp, u16::from(self.round), cookie);
            }
        }
        true
    }
}
