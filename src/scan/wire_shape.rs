//! What a SYN-ACK tells beyond its being one: window, options, initial sequence number, IP id and time to live. Read
//! apart from the replies of `wire.rs`, so that the fast path carries none of it.

use pnet::packet::Packet;
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::Ipv6Packet;
use pnet::packet::tcp::TcpPacket;

/// Options read at most: a header has room for 40 bytes of them. RFC 9293 3.1.
const OPTIONS: usize = 40;

/// One SYN-ACK, looked at closely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Time to live, or hop limit, as it arrived.
    pub ttl: u8,
    /// Window in bytes, before scaling.
    pub window: u16,
    /// Maximum segment size in bytes. RFC 9293 3.7.1.
    pub mss: Option<u16>,
    /// Options in order: `mss,sackOK,ts,nop,wscale 7`.
    pub options: String,
    /// Initial sequence number.
    pub sequence: u32,
    /// IP id; IPv6 has none.
    pub ip_id: Option<u16>,
    /// Timestamp value. RFC 7323 3.2.
    pub timestamp: Option<u32>,
}

/// Reads a frame that holds a TCP segment; none for any other.
pub(super) fn shape(frame: &[u8]) -> Option<Shape> {
    let ethernet = EthernetPacket::new(frame)?;
    let (ttl, ip_id, body) = match ethernet.get_ethertype() {
        EtherTypes::Ipv4 => {
            let ip = Ipv4Packet::new(ethernet.payload())?;
            let header = usize::from(ip.get_header_length()) * 4;
            let body = ethernet.payload().get(header..usize::from(ip.get_total_length()))?;
            (ip.get_ttl(), Some(ip.get_identification()), body.to_vec())
        }
        EtherTypes::Ipv6 => {
            let ip = Ipv6Packet::new(ethernet.payload())?;
            let body = ethernet.payload().get(40..40 + usize::from(ip.get_payload_length()))?;
            (ip.get_hop_limit(), None, body.to_vec())
        }
        _ => return None,
    };
    let segment = TcpPacket::new(&body)?;
    let options = body.get(20..usize::from(segment.get_data_offset()) * 4)?;
    let read = options_of(options);
    Some(Shape {
        ttl,
        window: segment.get_window(),
        mss: read.mss,
        options: read.names.join(","),
        sequence: segment.get_sequence(),
        ip_id,
        timestamp: read.timestamp,
    })
}

#[derive(Debug, Default)]
struct Options {
    names: Vec<String>,
    mss: Option<u16>,
    timestamp: Option<u32>,
}

/// Kinds of the IANA registry "TCP Option Kind Numbers". What makes no sense ends the list.
fn options_of(mut bytes: &[u8]) -> Options {
    let mut read = Options::default();
    while let Some((kind, rest)) = bytes.split_first().filter(|_| read.names.len() < OPTIONS) {
        match kind {
            0 => {
                read.names.push("eol".into());
                break;
            }
            1 => {
                read.names.push("nop".into());
                bytes = rest;
                continue;
            }
            _ => {}
        }
        let value = rest.split_first().and_then(|(len, rest)| rest.split_at_checked(usize::from(*len).checked_sub(2)?));
        let Some((value, rest)) = value else {
            read.names.push("broken".into());
            break;
        };
        bytes = rest;
        read.names.push(match (kind, value) {
            (2, [a, b]) => {
                read.mss = Some(u16::from_be_bytes([*a, *b]));
                "mss".into()
            }
            (3, [shift]) => format!("wscale {shift}"),
            (4, []) => "sackOK".into(),
            (8, [a, b, c, d, ..]) => {
                read.timestamp = Some(u32::from_be_bytes([*a, *b, *c, *d]));
                "ts".into()
            }
            (kind, _) => format!("kind {kind}"),
        });
    }
    read
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An IPv4 SYN-ACK with these options.
    fn frame(options: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 14 + 20 + 20];
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[14] = 0x45;
        frame[16..18].copy_from_slice(&(40 + options.len() as u16).to_be_bytes());
        frame[18..20].copy_from_slice(&[0x12, 0x34]);
        frame[22] = 57;
        frame[38..42].copy_from_slice(&[1, 2, 3, 4]);
        frame[46] = ((20 + options.len()) as u8 / 4) << 4;
        frame[47] = 0x12;
        frame[48..50].copy_from_slice(&[0xfe, 0x88]);
        frame.extend(options);
        frame
    }

    #[test]
    fn a_syn_ack_is_read() {
        let options = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 1, 0, 0, 0, 0, 9, 1, 3, 3, 7];
        let shape = shape(&frame(&options)).unwrap();
        let want = Shape {
            ttl: 57,
            window: 65_160,
            mss: Some(1_460),
            options: "mss,sackOK,ts,nop,wscale 7".into(),
            sequence: 0x0102_0304,
            ip_id: Some(0x1234),
            timestamp: Some(256),
        };
        assert_eq!(shape, want);
    }

    #[test]
    fn options_that_lie_about_their_length_end_the_list() {
        for (bytes, want) in [
            (&[2, 0, 5, 0xb4][..], "broken"),
            (&[2, 1, 1, 1], "broken"),
            (&[8, 200, 0, 0], "broken"),
            (&[1, 1, 0, 9], "nop,nop,eol"),
            (&[30, 4, 1, 2], "kind 30"),
            (&[2, 3, 9, 2], "kind 2,broken"),
        ] {
            assert_eq!(options_of(bytes).names.join(","), want);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(options in proptest::collection::vec(any::<u8>(), 0..60), at in 0usize..60, value in any::<u8>()) {
            let mut bytes = frame(&options);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            for cut in 0..bytes.len() {
                let _ = shape(&bytes[..cut]);
            }
            let _ = shape(&bytes);
        }
    }
}
