//! Received bytes as typed replies, through pnet's checked views, and the questions of the link itself. Probes are built
//! in `template.rs`.

use std::net::{IpAddr, Ipv6Addr};

use pnet::packet::arp::{ArpHardwareTypes, ArpOperations, ArpPacket, MutableArpPacket};
use pnet::packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet::packet::icmp::{IcmpPacket, IcmpTypes, echo_reply};
use pnet::packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types, ndp};
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::{Ipv6Packet, MutableIpv6Packet};
use pnet::packet::tcp::{TcpFlags, TcpPacket};
use pnet::packet::udp::UdpPacket;
use pnet::packet::{MutablePacket, Packet};
use pnet::util::MacAddr;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;

/// A hardware address as bytes; the link's own type stays in this room.
pub(super) type Hardware = [u8; 6];

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// A TCP segment with SYN and ACK, or with RST.
    Tcp {
        from: IpAddr,
        to: IpAddr,
        port: u16,
        our_port: u16,
        sequence: u32,
        acknowledgement: u32,
        syn_ack: bool,
        ttl: u8,
    },
    /// An echo reply.
    Echo { from: IpAddr, to: IpAddr, id: u16, cookie: u64, ttl: u8 },
    /// A timestamp reply; the originate time comes back unchanged.
    Timestamp { from: IpAddr, to: IpAddr, id: u16, originate: u32, ttl: u8 },
    /// A datagram.
    Udp { from: IpAddr, to: IpAddr, port: u16, our_port: u16, ttl: u8 },
    /// An ICMP error about a packet from `source` to `about`: to which port, and what identifies it.
    Error {
        from: IpAddr,
        to: IpAddr,
        source: IpAddr,
        about: IpAddr,
        tcp: bool,
        port: u16,
        our_port: u16,
        sequence: Option<u32>,
        kind: u8,
        code: u8,
        ttl: u8,
    },
    /// An ARP reply or neighbour advertisement, and whom it is addressed to.
    Neighbour { addr: IpAddr, hardware: Hardware, to: (IpAddr, Hardware) },
}

/// Why bytes are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Too short, or with lengths that contradict each other.
    Malformed,
    /// Something that is no answer to a probe.
    Foreign,
}

pub(super) fn mac(hardware: Hardware) -> MacAddr {
    let [a, b, c, d, e, f] = hardware;
    MacAddr::new(a, b, c, d, e, f)
}

fn hardware(mac: MacAddr) -> Hardware {
    [mac.0, mac.1, mac.2, mac.3, mac.4, mac.5]
}

/// A request for the hardware address of a neighbour: ARP (RFC 826) or neighbour solicitation (RFC 4861 4.3).
pub(super) fn ask_neighbour(source: IpAddr, source_hardware: Hardware, asked: IpAddr) -> Option<Vec<u8>> {
    match (source, asked) {
        (IpAddr::V4(source), IpAddr::V4(asked)) => {
            let mut frame = vec![0u8; ETHERNET + 28];
            let mut ethernet = MutableEthernetPacket::new(&mut frame)?;
            ethernet.set_source(mac(source_hardware));
            ethernet.set_destination(MacAddr::broadcast());
            ethernet.set_ethertype(EtherTypes::Arp);
            let mut arp = MutableArpPacket::new(ethernet.payload_mut())?;
            arp.set_hardware_type(ArpHardwareTypes::Ethernet);
            arp.set_protocol_type(EtherTypes::Ipv4);
            arp.set_hw_addr_len(6);
            arp.set_proto_addr_len(4);
            arp.set_operation(ArpOperations::Request);
            arp.set_sender_hw_addr(mac(source_hardware));
            arp.set_sender_proto_addr(source);
            arp.set_target_proto_addr(asked);
            Some(frame)
        }
        (IpAddr::V6(source), IpAddr::V6(asked)) => {
            let mut frame = vec![0u8; ETHERNET + IPV6 + 32];
            let [.., x, y, z] = asked.octets();
            let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z]);
            let mut ethernet = MutableEthernetPacket::new(&mut frame)?;
            ethernet.set_source(mac(source_hardware));
            ethernet.set_destination(MacAddr::new(0x33, 0x33, 0xff, x, y, z));
            ethernet.set_ethertype(EtherTypes::Ipv6);
            let mut ip = MutableIpv6Packet::new(ethernet.payload_mut())?;
            ip.set_version(6);
            ip.set_payload_length(32);
            ip.set_hop_limit(255);
            ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
            ip.set_source(source);
            ip.set_destination(group);
            let mut ask = ndp::MutableNeighborSolicitPacket::new(ip.payload_mut())?;
            ask.set_icmpv6_type(Icmpv6Types::NeighborSolicit);
            ask.set_target_addr(asked);
            ask.set_options(&[ndp::NdpOption {
                option_type: ndp::NdpOptionTypes::SourceLLAddr,
                length: 1,
                data: source_hardware.to_vec(),
            }]);
            let sum = icmpv6::checksum(&Icmpv6Packet::new(ask.packet())?, &source, &group);
            ask.set_checksum(sum);
            Some(frame)
        }
        _ => None,
    }
}

/// Reads a received frame.
pub(super) fn read(frame: &[u8]) -> Result<Reply, Unread> {
    let ethernet = EthernetPacket::new(frame).ok_or(Unread::Malformed)?;
    match ethernet.get_ethertype() {
        EtherTypes::Arp => {
            let arp = ArpPacket::new(ethernet.payload()).ok_or(Unread::Malformed)?;
            let kind = (arp.get_hardware_type(), arp.get_protocol_type(), arp.get_operation());
            let lengths = (arp.get_hw_addr_len(), arp.get_proto_addr_len());
            if (kind, lengths) != ((ArpHardwareTypes::Ethernet, EtherTypes::Ipv4, ArpOperations::Reply), (6, 4)) {
                return Err(Unread::Foreign);
            }
            neighbour(
                arp.get_sender_proto_addr().into(),
                hardware(arp.get_sender_hw_addr()),
                (arp.get_target_proto_addr().into(), hardware(arp.get_target_hw_addr())),
            )
        }
        EtherTypes::Ipv4 => {
            let ip = Ipv4Packet::new(ethernet.payload()).ok_or(Unread::Malformed)?;
            let header = usize::from(ip.get_header_length()) * 4;
            let total = usize::from(ip.get_total_length());
            let body = ethernet.payload().get(header.max(IPV4)..total).ok_or(Unread::Malformed)?;
            if ip.get_version() != 4 || header < IPV4 || ip.get_fragment_offset() != 0 {
                return Err(Unread::Malformed);
            }
            let ends = (ip.get_source().into(), ip.get_destination().into());
            transport(ip.get_next_level_protocol(), body, ends, ip.get_ttl())
        }
        EtherTypes::Ipv6 => {
            let ip = Ipv6Packet::new(ethernet.payload()).ok_or(Unread::Malformed)?;
            let body =
                ethernet.payload().get(IPV6..IPV6 + usize::from(ip.get_payload_length())).ok_or(Unread::Malformed)?;
            let ends = (ip.get_source().into(), ip.get_destination().into());
            let (protocol, hops) = (ip.get_next_header(), ip.get_hop_limit());
            if protocol == IpNextHeaderProtocols::Icmpv6 && body.first() == Some(&Icmpv6Types::NeighborAdvert.0) {
                return advertisement(
                    body,
                    (ip.get_source(), ip.get_destination()),
                    hops,
                    hardware(ethernet.get_destination()),
                );
            }
            transport(protocol, body, ends, hops)
        }
        _ => Err(Unread::Foreign),
    }
}

/// A neighbour whose address is that of one interface: what names a group moves no traffic. RFC 1812 3.3.2.
fn neighbour(addr: IpAddr, hardware: Hardware, to: (IpAddr, Hardware)) -> Result<Reply, Unread> {
    let [first, ..] = hardware;
    if first & 1 > 0 || hardware == [0; 6] { Err(Unread::Foreign) } else { Ok(Reply::Neighbour { addr, hardware, to }) }
}

/// A neighbour advertisement that is valid by RFC 4861 7.1.2: nobody off the link can send one with that hop limit.
fn advertisement(body: &[u8], (from, to): (Ipv6Addr, Ipv6Addr), hops: u8, frame_to: Hardware) -> Result<Reply, Unread> {
    let message = Icmpv6Packet::new(body).ok_or(Unread::Malformed)?;
    let advert = ndp::NeighborAdvertPacket::new(body).ok_or(Unread::Malformed)?;
    if hops != 255 || message.get_icmpv6_code().0 != 0 {
        return Err(Unread::Foreign);
    }
    if message.get_checksum() != icmpv6::checksum(&message, &from, &to) {
        return Err(Unread::Malformed);
    }
    // The option with the hardware address is of type 2 and one unit of eight bytes long. RFC 4861 4.6, 4.6.1.
    let (mut options, mut found) = (body.get(24..).unwrap_or_default(), None);
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at_checked(usize::from(units) * 8).ok_or(Unread::Malformed)?;
        match option {
            [] => return Err(Unread::Malformed),
            [_, _, hardware @ ..] if kind == 2 && found.is_none() => found = Hardware::try_from(hardware).ok(),
            _ => {}
        }
        options = rest;
    }
    neighbour(advert.get_target_addr().into(), found.ok_or(Unread::Foreign)?, (to.into(), frame_to))
}

fn transport(protocol: IpNextHeaderProtocol, body: &[u8], ends: (IpAddr, IpAddr), ttl: u8) -> Result<Reply, Unread> {
    let (from, to) = ends;
    match protocol {
        IpNextHeaderProtocols::Tcp => {
            let segment = TcpPacket::new(body).ok_or(Unread::Malformed)?;
            let flags = segment.get_flags();
            let syn_ack = flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN | TcpFlags::ACK;
            let reset = flags & TcpFlags::RST != 0;
            if !syn_ack && !reset {
                return Err(Unread::Foreign);
            }
            Ok(Reply::Tcp {
                from,
                to,
                port: segment.get_source(),
                our_port: segment.get_destination(),
                sequence: segment.get_sequence(),
                acknowledgement: segment.get_acknowledgement(),
                syn_ack: syn_ack && !reset,
                ttl,
            })
        }
        IpNextHeaderProtocols::Udp => {
            let datagram = UdpPacket::new(body).ok_or(Unread::Malformed)?;
            Ok(Reply::Udp { from, to, port: datagram.get_source(), our_port: datagram.get_destination(), ttl })
        }
        IpNextHeaderProtocols::Icmp => read_icmp(body, from, to, ttl),
        IpNextHeaderProtocols::Icmpv6 => read_icmpv6(body, from, to, ttl),
        _ => Err(Unread::Foreign),
    }
}

fn cookie(data: &[u8]) -> Result<u64, Unread> {
    let bytes = data.get(..8).and_then(|b| b.try_into().ok()).ok_or(Unread::Foreign)?;
    Ok(u64::from_be_bytes(bytes))
}

fn read_icmp(body: &[u8], from: IpAddr, to: IpAddr, ttl: u8) -> Result<Reply, Unread> {
    let message = IcmpPacket::new(body).ok_or(Unread::Malformed)?;
    let (kind, code) = (message.get_icmp_type(), message.get_icmp_code().0);
    match kind {
        IcmpTypes::EchoReply => {
            let echo = echo_reply::EchoReplyPacket::new(body).ok_or(Unread::Malformed)?;
            Ok(Reply::Echo { from, to, id: echo.get_identifier(), cookie: cookie(echo.payload())?, ttl })
        }
        // Identifier, sequence number, originate time. RFC 792, "Timestamp or Timestamp Reply Message".
        IcmpTypes::TimestampReply => {
            let [_, _, _, _, a, b, _, _, c, d, e, f] = *body.first_chunk::<12>().ok_or(Unread::Malformed)?;
            let (id, originate) = (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
            Ok(Reply::Timestamp { from, to, id, originate, ttl })
        }
        IcmpTypes::DestinationUnreachable | IcmpTypes::TimeExceeded => {
            let quoted = body.get(8..).ok_or(Unread::Malformed)?;
            let ip = Ipv4Packet::new(quoted).ok_or(Unread::Malformed)?;
            let inner = quoted.get(usize::from(ip.get_header_length()) * 4..).ok_or(Unread::Malformed)?;
            let quoted = (ip.get_source().into(), ip.get_destination().into());
            quoted_ports(ip.get_next_level_protocol(), inner, quoted, (from, to), (kind.0, code, ttl))
        }
        _ => Err(Unread::Foreign),
    }
}

fn read_icmpv6(body: &[u8], from: IpAddr, to: IpAddr, ttl: u8) -> Result<Reply, Unread> {
    let message = Icmpv6Packet::new(body).ok_or(Unread::Malformed)?;
    let (kind, code) = (message.get_icmpv6_type(), message.get_icmpv6_code().0);
    match kind {
        Icmpv6Types::EchoReply => {
            let echo = icmpv6::echo_reply::EchoReplyPacket::new(body).ok_or(Unread::Malformed)?;
            Ok(Reply::Echo { from, to, id: echo.get_identifier(), cookie: cookie(echo.payload())?, ttl })
        }
        Icmpv6Types::DestinationUnreachable | Icmpv6Types::TimeExceeded => {
            let quoted = body.get(8..).ok_or(Unread::Malformed)?;
            let ip = Ipv6Packet::new(quoted).ok_or(Unread::Malformed)?;
            let inner = quoted.get(IPV6..).ok_or(Unread::Malformed)?;
            let quoted = (ip.get_source().into(), ip.get_destination().into());
            quoted_ports(ip.get_next_header(), inner, quoted, (from, to), (kind.0, code, ttl))
        }
        _ => Err(Unread::Foreign),
    }
}

/// The first eight bytes of a quoted TCP or UDP header: ports, and for TCP the sequence number. RFC 792, RFC 4443 2.4.
fn quoted_ports(
    protocol: IpNextHeaderProtocol,
    inner: &[u8],
    (source, about): (IpAddr, IpAddr),
    (from, to): (IpAddr, IpAddr),
    (kind, code, ttl): (u8, u8, u8),
) -> Result<Reply, Unread> {
    let [a, b, c, d, e, f, g, h] = *inner.first_chunk::<8>().ok_or(Unread::Malformed)?;
    let (our_port, port) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let tcp = protocol == IpNextHeaderProtocols::Tcp;
    if !tcp && protocol != IpNextHeaderProtocols::Udp {
        return Err(Unread::Foreign);
    }
    let sequence = tcp.then(|| u32::from_be_bytes([e, f, g, h]));
    Ok(Reply::Error { from, to, source, about, tcp, port, our_port, sequence, kind, code, ttl })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: Hardware = [2, 0, 0, 0, 0, 1];
    const GATEWAY: Hardware = [2, 0, 0, 0, 0, 9];

    /// An advertisement of the gateway, asked for by us, with these bytes changed.
    fn advert(changes: &[(usize, u8)], sum_again: bool) -> Result<Reply, Unread> {
        let (gateway, own): (Ipv6Addr, Ipv6Addr) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let mut frame = [&OWN[..], &GATEWAY, &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]].concat();
        frame.extend([gateway.octets(), own.octets()].concat());
        frame.extend([&[136, 0, 0, 0, 0x60, 0, 0, 0][..], &gateway.octets(), &[2, 1], &GATEWAY].concat());
        changes.iter().for_each(|(at, byte)| frame[*at] = *byte);
        if sum_again {
            let to = Ipv6Addr::from(<[u8; 16]>::try_from(&frame[38..54]).unwrap());
            let sum = icmpv6::checksum(&Icmpv6Packet::new(&frame[54..]).unwrap(), &gateway, &to);
            frame[56..58].copy_from_slice(&sum.to_be_bytes());
        }
        read(&frame)
    }

    #[test]
    fn only_valid_advertisements_are_read() {
        let (addr, to): (IpAddr, IpAddr) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let genuine = Reply::Neighbour { addr, hardware: GATEWAY, to: (to, OWN) };
        assert_eq!(advert(&[], true), Ok(genuine));
        assert_eq!(advert(&[], false), Err(Unread::Malformed), "no checksum");
        assert_eq!(advert(&[(21, 254)], true), Err(Unread::Foreign), "it has crossed a router");
        assert_eq!(advert(&[(55, 1)], true), Err(Unread::Foreign), "code");
        assert_eq!(advert(&[(79, 0)], true), Err(Unread::Malformed), "an option without length");
        assert_eq!(advert(&[(79, 2)], true), Err(Unread::Malformed), "an option past the end");
        assert_eq!(advert(&[(78, 1)], true), Err(Unread::Foreign), "the asker's address, not the neighbour's");
        assert_eq!(advert(&[(80, 0x33)], true), Err(Unread::Foreign), "a group has no hardware");
        let other = advert(&[(53, 3)], true);
        assert!(matches!(other, Ok(Reply::Neighbour { to: (a, OWN), .. }) if a != to), "{other:?}");
    }

    #[test]
    fn only_arp_replies_of_one_interface_are_read() {
        let (own, gateway): (IpAddr, IpAddr) = ([192, 0, 2, 2].into(), [192, 0, 2, 1].into());
        let mut frame = ask_neighbour(own, OWN, gateway).unwrap();
        assert_eq!(read(&frame), Err(Unread::Foreign), "a request");
        frame[21] = 2;
        frame[22..42].copy_from_slice(&[&GATEWAY[..], &[192, 0, 2, 1], &OWN, &[192, 0, 2, 2]].concat());
        assert_eq!(read(&frame), Ok(Reply::Neighbour { addr: gateway, hardware: GATEWAY, to: (own, OWN) }));
        for (at, byte) in [(15, 6), (16, 9), (18, 8), (19, 16), (21, 4), (22, 3)] {
            let mut wrong = frame.clone();
            wrong[at] = byte;
            assert_eq!(read(&wrong), Err(Unread::Foreign), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0usize..4, protocol in any::<u8>()) {
            let _ = read(&bytes);
            // With a plausible start, so that the inner readers are reached.
            let mut frame = vec![0u8; 12];
            frame.extend([[0x08, 0x00], [0x86, 0xdd], [0x08, 0x06], [0x12, 0x34]][kind]);
            frame.extend(&bytes);
            if frame.len() > 24 {
                frame[14] = if kind == 0 { 0x45 } else { 0x60 };
                frame[23] = protocol;
                frame[20] = protocol;
            }
            let _ = read(&frame);
            for cut in 0..frame.len() {
                let _ = read(&frame[..cut]);
            }
        }
    }
}
