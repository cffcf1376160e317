//! Probes as finished frames without building each from nothing: a template per source, with the checksums of all that
//! stays the same; a frame is a copy with a few fields and two folded sums. RFC 1071, RFC 1624.

use std::net::IpAddr;

use super::wire::Hardware;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
/// A TCP header with one option, the maximum segment size.
const SYN: usize = 24;
const ACK: usize = 20;
/// A TCP header with segment size, selective acknowledgements, timestamps and window scaling.
const FULL_SYN: usize = 40;
const UDP: usize = 8;
const TTL: u8 = 64;

/// Sum of 16-bit words, the last byte of an odd number padded.
fn sum(bytes: &[u8]) -> u64 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let whole: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
    whole + rest.first().map_or(0, |b| u64::from(*b) << 8)
}

fn fold(sum: u64) -> u16 {
    let mut sum = (sum & 0xffff_ffff) + (sum >> 32);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn sum_of(addr: IpAddr) -> u64 {
    match addr {
        IpAddr::V4(a) => sum(&a.octets()),
        IpAddr::V6(a) => sum(&a.octets()),
    }
}

/// Writes bytes at a place; nothing where there is no room.
fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = frame.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// What differs between two TCP probes from the same source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub(super) destination: IpAddr,
    pub(super) next_hop: Hardware,
    pub(super) source_port: u16,
    pub(super) port: u16,
    pub(super) sequence: u32,
}

/// A TCP probe from one source.
#[derive(Debug, Clone)]
pub(super) struct Template {
    bytes: Vec<u8>,
    v6: bool,
    ip_sum: u64,
    tcp_sum: u64,
    ack: bool,
}

impl Template {
    /// A SYN, or an ACK that carries the cookie twice: as the number it acknowledges, which a reset shows (RFC 9293
    /// 3.10.7.1), and as its own, which an ICMP error quotes.
    pub(super) fn tcp(source: IpAddr, hardware: Hardware, ack: bool) -> Self {
        let len = if ack { ACK } else { SYN };
        let mut bytes = vec![0; headers(source) + len];
        begin(&mut bytes, source, hardware, 6, len);
        let tcp = headers(source);
        // Data offset, flags (RFC 9293 3.1), window.
        let flags = if ack { 0x10 } else { 0x02 };
        put(&mut bytes, tcp + 12, &[(len as u8 / 4) << 4, flags, 0xfa, 0xf0]);
        if !ack {
            // Maximum segment size 1460. RFC 9293 3.2.
            put(&mut bytes, tcp + 20, &[2, 4, 0x05, 0xb4]);
        }
        let ip_sum = bytes.get(ETHERNET..ETHERNET + IPV4).map_or(0, sum);
        let tcp_sum = sum_of(source) + 6 + len as u64 + bytes.get(tcp..).map_or(0, sum);
        Self { v6: source.is_ipv6(), bytes, ip_sum, tcp_sum, ack }
    }

    /// The bytes to copy before [`Template::finish`].
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Fills in a copy.
    pub(super) fn finish(&self, frame: &mut [u8], fields: &Fields) {
        put(frame, 0, &fields.next_hop);
        let addr_sum = sum_of(fields.destination);
        let tcp = match fields.destination {
            IpAddr::V4(a) => {
                put(frame, ETHERNET + 16, &a.octets());
                put(frame, ETHERNET + 10, &fold(self.ip_sum + addr_sum).to_be_bytes());
                ETHERNET + IPV4
            }
            IpAddr::V6(a) => {
                put(frame, ETHERNET + 24, &a.octets());
                ETHERNET + IPV6
            }
        };
        debug_assert_eq!(self.v6, fields.destination.is_ipv6());
        put(frame, tcp, &fields.source_port.to_be_bytes());
        put(frame, tcp + 2, &fields.port.to_be_bytes());
        put(frame, tcp + 4, &fields.sequence.to_be_bytes());
        let (mut high, mut low) = (u64::from(fields.sequence >> 16), u64::from(fields.sequence & 0xffff));
        if self.ack {
            put(frame, tcp + 8, &fields.sequence.to_be_bytes());
            (high, low) = (high * 2, low * 2);
        }
        let ports = u64::from(fields.source_port) + u64::from(fields.port);
        put(frame, tcp + 16, &fold(self.tcp_sum + addr_sum + ports + high + low).to_be_bytes());
    }
}

/// Length of the headers before the transport's.
pub(super) fn headers(source: IpAddr) -> usize {
    ETHERNET + if source.is_ipv4() { IPV4 } else { IPV6 }
}

/// Ethernet and IP headers, without the destination and the header checksum.
fn begin(frame: &mut [u8], source: IpAddr, hardware: Hardware, protocol: u8, body: usize) {
    put(frame, 6, &hardware);
    match source {
        IpAddr::V4(a) => {
            put(frame, 12, &[0x08, 0x00, 0x45, 0]);
            put(frame, ETHERNET + 2, &((IPV4 + body) as u16).to_be_bytes());
            put(frame, ETHERNET + 8, &[TTL, protocol]);
            put(frame, ETHERNET + 12, &a.octets());
        }
        IpAddr::V6(a) => {
            put(frame, 12, &[0x86, 0xdd, 0x60, 0]);
            put(frame, ETHERNET + 4, &(body as u16).to_be_bytes());
            put(frame, ETHERNET + 6, &[protocol, TTL]);
            put(frame, ETHERNET + 8, &a.octets());
        }
    }
}

/// Both ends of a frame that is built whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) source: IpAddr,
    pub(super) hardware: Hardware,
    pub(super) destination: IpAddr,
    pub(super) next_hop: Hardware,
}

impl Route {
    /// Headers, destination and header checksum.
    fn start(&self, frame: &mut [u8], protocol: u8, body: usize) {
        begin(frame, self.source, self.hardware, protocol, body);
        put(frame, 0, &self.next_hop);
        match self.destination {
            IpAddr::V4(a) => {
                put(frame, ETHERNET + 16, &a.octets());
                let header = frame.get(ETHERNET..ETHERNET + IPV4).map_or(0, sum);
                put(frame, ETHERNET + 10, &fold(header).to_be_bytes());
            }
            IpAddr::V6(a) => put(frame, ETHERNET + 24, &a.octets()),
        }
    }

    fn pseudo(&self, protocol: u8, body: usize) -> u64 {
        sum_of(self.source) + sum_of(self.destination) + u64::from(protocol) + body as u64
    }

    /// Length of a datagram's frame.
    pub(super) fn udp_len(&self, payload: &[u8]) -> usize {
        headers(self.source) + UDP + payload.len()
    }

    /// A datagram into a frame of [`Route::udp_len`] zeros. RFC 768: a checksum of zero is sent as all ones.
    pub(super) fn udp(&self, frame: &mut [u8], source_port: u16, port: u16, payload: &[u8]) {
        let (at, len) = (headers(self.source), UDP + payload.len());
        self.start(frame, 17, len);
        put(frame, at, &source_port.to_be_bytes());
        put(frame, at + 2, &port.to_be_bytes());
        put(frame, at + 4, &(len as u16).to_be_bytes());
        put(frame, at + UDP, payload);
        let checksum = fold(self.pseudo(17, len) + frame.get(at..).map_or(0, sum));
        put(frame, at + 6, &if checksum == 0 { u16::MAX } else { checksum }.to_be_bytes());
    }

    /// Length of the frame of a SYN with all usual options.
    pub(super) fn syn_len(&self) -> usize {
        headers(self.source) + FULL_SYN
    }

    /// A SYN that offers what a client's kernel offers, so that the answer shows all that the host can do: segment size,
    /// selective acknowledgements (RFC 2018), timestamps and window scaling (RFC 7323).
    pub(super) fn syn(&self, frame: &mut [u8], source_port: u16, port: u16, sequence: u32) {
        let at = headers(self.source);
        self.start(frame, 6, FULL_SYN);
        put(frame, at, &source_port.to_be_bytes());
        put(frame, at + 2, &port.to_be_bytes());
        put(frame, at + 4, &sequence.to_be_bytes());
        put(frame, at + 12, &[(FULL_SYN as u8 / 4) << 4, 0x02, 0xfa, 0xf0]);
        put(frame, at + 20, &[2, 4, 0x05, 0xb4, 4, 2, 8, 10]);
        // Our timestamp says nothing of our clock; what it echoes is zero in a SYN.
        put(frame, at + 28, &sequence.rotate_left(16).to_be_bytes());
        put(frame, at + 36, &[1, 3, 3, 7]);
        let checksum = fold(self.pseudo(6, FULL_SYN) + frame.get(at..).map_or(0, sum));
        put(frame, at + 16, &checksum.to_be_bytes());
    }

    /// Length of an ICMP probe's frame.
    pub(super) fn icmp_len(&self, timestamp: bool) -> usize {
        headers(self.source) + if timestamp { 20 } else { 16 }
    }

    /// An echo request whose data is the cookie, or a timestamp request whose originate time is. RFC 792, RFC 4443 4.1.
    pub(super) fn icmp(&self, frame: &mut [u8], timestamp: bool, sequence: u16, cookie: u64) {
        let at = headers(self.source);
        let v4 = self.source.is_ipv4();
        let (protocol, kind) = match (v4, timestamp) {
            (true, false) => (1, 8),
            (true, true) => (1, 13),
            (false, _) => (58, 128),
        };
        let len = frame.len() - at;
        self.start(frame, protocol, len);
        put(frame, at, &[kind]);
        put(frame, at + 4, &(cookie as u16).to_be_bytes());
        put(frame, at + 6, &sequence.to_be_bytes());
        if timestamp {
            put(frame, at + 8, &((cookie >> 16) as u32).to_be_bytes());
        } else {
            put(frame, at + 8, &cookie.to_be_bytes());
        }
        let pseudo = if v4 { 0 } else { self.pseudo(protocol, len) };
        let checksum = fold(pseudo + frame.get(at..).map_or(0, sum));
        put(frame, at + 2, &checksum.to_be_bytes());
    }
}
