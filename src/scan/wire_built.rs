//! Probes built whole by pnet: what the templates are tested against, byte for byte.

use std::net::IpAddr;

use pnet::packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet::packet::icmp::{self, IcmpPacket, IcmpTypes, echo_request};
use pnet::packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv4::{self, MutableIpv4Packet};
use pnet::packet::ipv6::MutableIpv6Packet;
use pnet::packet::tcp::{self, MutableTcpPacket, TcpFlags, TcpOption};
use pnet::packet::udp::{self, MutableUdpPacket};
use pnet::packet::{MutablePacket, Packet};
use proptest::prelude::*;

use super::template::{Fields, Route, Template};
use super::wire::{Hardware, mac};

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
/// A SYN with one option, the maximum segment size.
const TCP_SYN: usize = 24;
const UDP: usize = 8;
const ECHO: usize = 16;

/// Both ends of a path: addresses of one family, and the hardware addresses of the first hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) source_hardware: Hardware,
    pub(super) next_hop: Hardware,
}

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe<'a> {
    /// TCP SYN.
    Syn { source_port: u16, port: u16, sequence: u32 },
    /// ICMP or ICMPv6 echo request; the cookie stands in the data.
    Echo { id: u16, sequence: u16, cookie: u64 },
    /// A datagram.
    Udp { source_port: u16, port: u16, payload: &'a [u8] },
}

/// Builds a whole frame from nothing: what templates are tested against. None where the two addresses are of different families.
pub(super) fn build(ends: &Ends, probe: &Probe<'_>) -> Option<Vec<u8>> {
    let body = match probe {
        Probe::Syn { .. } => TCP_SYN,
        Probe::Echo { .. } => ECHO,
        Probe::Udp { payload, .. } => UDP + payload.len(),
    };
    let header = if ends.destination.is_ipv4() { IPV4 } else { IPV6 };
    let mut frame = vec![0u8; ETHERNET + header + body];
    let mut ethernet = MutableEthernetPacket::new(&mut frame)?;
    ethernet.set_source(mac(ends.source_hardware));
    ethernet.set_destination(mac(ends.next_hop));
    let protocol = match (probe, ends.destination.is_ipv4()) {
        (Probe::Syn { .. }, _) => IpNextHeaderProtocols::Tcp,
        (Probe::Udp { .. }, _) => IpNextHeaderProtocols::Udp,
        (Probe::Echo { .. }, true) => IpNextHeaderProtocols::Icmp,
        (Probe::Echo { .. }, false) => IpNextHeaderProtocols::Icmpv6,
    };
    match (ends.source, ends.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            ethernet.set_ethertype(EtherTypes::Ipv4);
            let mut ip = MutableIpv4Packet::new(ethernet.payload_mut())?;
            ip.set_version(4);
            ip.set_header_length(5);
            ip.set_total_length((IPV4 + body) as u16);
            ip.set_ttl(64);
            ip.set_next_level_protocol(protocol);
            ip.set_source(source);
            ip.set_destination(destination);
            fill(ip.payload_mut(), ends, probe)?;
            let sum = ipv4::checksum(&ip.to_immutable());
            ip.set_checksum(sum);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            ethernet.set_ethertype(EtherTypes::Ipv6);
            let mut ip = MutableIpv6Packet::new(ethernet.payload_mut())?;
            ip.set_version(6);
            ip.set_payload_length(body as u16);
            ip.set_hop_limit(64);
            ip.set_next_header(protocol);
            ip.set_source(source);
            ip.set_destination(destination);
            fill(ip.payload_mut(), ends, probe)?;
        }
        _ => return None,
    }
    Some(frame)
}

/// Fills the transport part with its checksum.
fn fill(bytes: &mut [u8], ends: &Ends, probe: &Probe<'_>) -> Option<()> {
    match *probe {
        Probe::Syn { source_port, port, sequence } => {
            let mut segment = MutableTcpPacket::new(bytes)?;
            segment.set_source(source_port);
            segment.set_destination(port);
            segment.set_sequence(sequence);
            segment.set_data_offset(6);
            segment.set_flags(TcpFlags::SYN);
            segment.set_window(64_240);
            segment.set_options(&[TcpOption::mss(1_460)]);
            let view = segment.to_immutable();
            let sum = match (ends.source, ends.destination) {
                (IpAddr::V4(a), IpAddr::V4(b)) => tcp::ipv4_checksum(&view, &a, &b),
                (IpAddr::V6(a), IpAddr::V6(b)) => tcp::ipv6_checksum(&view, &a, &b),
                _ => return None,
            };
            segment.set_checksum(sum);
        }
        Probe::Udp { source_port, port, payload } => {
            let mut datagram = MutableUdpPacket::new(bytes)?;
            datagram.set_source(source_port);
            datagram.set_destination(port);
            datagram.set_length((UDP + payload.len()) as u16);
            datagram.set_payload(payload);
            let view = datagram.to_immutable();
            let sum = match (ends.source, ends.destination) {
                (IpAddr::V4(a), IpAddr::V4(b)) => udp::ipv4_checksum(&view, &a, &b),
                (IpAddr::V6(a), IpAddr::V6(b)) => udp::ipv6_checksum(&view, &a, &b),
                _ => return None,
            };
            datagram.set_checksum(sum);
        }
        Probe::Echo { id, sequence, cookie } => match (ends.source, ends.destination) {
            (IpAddr::V4(_), _) => {
                let mut echo = echo_request::MutableEchoRequestPacket::new(bytes)?;
                echo.set_icmp_type(IcmpTypes::EchoRequest);
                echo.set_identifier(id);
                echo.set_sequence_number(sequence);
                echo.set_payload(&cookie.to_be_bytes());
                let sum = icmp::checksum(&IcmpPacket::new(echo.packet())?);
                echo.set_checksum(sum);
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mut echo = icmpv6::echo_request::MutableEchoRequestPacket::new(bytes)?;
                echo.set_icmpv6_type(Icmpv6Types::EchoRequest);
                echo.set_identifier(id);
                echo.set_sequence_number(sequence);
                echo.set_payload(&cookie.to_be_bytes());
                let sum = icmpv6::checksum(&Icmpv6Packet::new(echo.packet())?, &a, &b);
                echo.set_checksum(sum);
            }
            _ => return None,
        },
    }
    Some(())
}

proptest! {
    #[test]
    fn templates_make_the_same_frames(
        v6 in any::<bool>(), a in any::<u128>(), b in any::<u128>(),
        source_hardware in any::<Hardware>(), next_hop in any::<Hardware>(),
        source_port in any::<u16>(), port in any::<u16>(), sequence in any::<u32>(),
        cookie in any::<u64>(), number in any::<u16>(), payload in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let addr = |n: u128| -> IpAddr { if v6 { n.to_be_bytes().into() } else { (n as u32).to_be_bytes().into() } };
        let ends = Ends { source: addr(a), destination: addr(b), source_hardware, next_hop };
        let template = Template::tcp(ends.source, source_hardware, false);
        let mut frame = template.bytes().to_vec();
        template.finish(&mut frame, &Fields { destination: ends.destination, next_hop, source_port, port, sequence });
        prop_assert_eq!(Some(frame), build(&ends, &Probe::Syn { source_port, port, sequence }));

        let route = Route { source: ends.source, hardware: source_hardware, destination: ends.destination, next_hop };
        let mut frame = vec![0; route.udp_len(&payload)];
        route.udp(&mut frame, source_port, port, &payload);
        let mut built = build(&ends, &Probe::Udp { source_port, port, payload: &payload }).unwrap();
        // pnet sends a sum of zero as it is; RFC 768 says all ones.
        let at = built.len() - payload.len() - 2;
        if built[at..at + 2] == [0, 0] {
            built[at..at + 2].fill(0xff);
        }
        prop_assert_eq!(frame, built);

        let mut frame = vec![0; route.icmp_len(false)];
        route.icmp(&mut frame, false, number, cookie);
        prop_assert_eq!(Some(frame), build(&ends, &Probe::Echo { id: cookie as u16, sequence: number, cookie }));
    }

    #[test]
    fn acks_and_timestamps_carry_valid_sums(a in any::<u32>(), b in any::<u32>(), port in any::<u16>(), cookie in any::<u64>()) {
        let (source, destination): (IpAddr, IpAddr) = (a.to_be_bytes().into(), b.to_be_bytes().into());
        let template = Template::tcp(source, [2; 6], true);
        let mut frame = template.bytes().to_vec();
        let fields = Fields { destination, next_hop: [3; 6], source_port: 61_016, port, sequence: cookie as u32 };
        template.finish(&mut frame, &fields);
        let segment = tcp::TcpPacket::new(&frame[34..]).unwrap();
        let (IpAddr::V4(s), IpAddr::V4(d)) = (source, destination) else { return Ok(()) };
        prop_assert_eq!(tcp::ipv4_checksum(&segment, &s, &d), segment.get_checksum());
        let numbers = (segment.get_sequence(), segment.get_acknowledgement());
        prop_assert_eq!((segment.get_flags(), numbers), (TcpFlags::ACK, (cookie as u32, cookie as u32)));
        let route = Route { source, hardware: [2; 6], destination, next_hop: [3; 6] };
        let mut frame = vec![0; route.icmp_len(true)];
        route.icmp(&mut frame, true, 1, cookie);
        let message = IcmpPacket::new(&frame[34..]).unwrap();
        prop_assert_eq!((message.get_icmp_type(), icmp::checksum(&message)), (IcmpTypes::Timestamp, message.get_checksum()));
    }
    #[test]
    fn full_syns_carry_valid_sums_and_all_options(
        v6 in any::<bool>(), a in any::<u128>(), b in any::<u128>(), port in any::<u16>(), sequence in any::<u32>(),
    ) {
        let addr = |n: u128| -> IpAddr { if v6 { n.to_be_bytes().into() } else { (n as u32).to_be_bytes().into() } };
        let (source, destination) = (addr(a), addr(b));
        let route = Route { source, hardware: [2; 6], destination, next_hop: [3; 6] };
        let mut frame = vec![0; route.syn_len()];
        route.syn(&mut frame, 61_064, port, sequence);
        let segment = tcp::TcpPacket::new(&frame[frame.len() - 40..]).unwrap();
        let sum = match (source, destination) {
            (IpAddr::V4(s), IpAddr::V4(d)) => tcp::ipv4_checksum(&segment, &s, &d),
            (IpAddr::V6(s), IpAddr::V6(d)) => tcp::ipv6_checksum(&segment, &s, &d),
            _ => return Ok(()),
        };
        prop_assert_eq!((segment.get_checksum(), segment.get_flags()), (sum, TcpFlags::SYN));
        prop_assert_eq!((segment.get_destination(), segment.get_sequence()), (port, sequence));
        let shape = super::wire_shape::shape(&frame).unwrap();
        prop_assert_eq!((shape.options.as_str(), shape.mss), ("mss,sackOK,ts,nop,wscale 7", Some(1_460)));
    }
}
