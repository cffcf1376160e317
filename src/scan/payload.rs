//! First datagrams that UDP services answer, written from their standards.

/// The payload for a port; empty where none is known.
pub(super) fn udp(port: u16) -> &'static [u8] {
    match port {
        // A DNS query for the root's name servers, recursion not desired. RFC 1035 4.1.
        53 | 5353 => b"\x50\x41\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01",
        // An NTP client request, version 4. RFC 5905 7.3.
        123 => &NTP,
        // An SNMPv2c GetRequest of sysDescr.0 for the community `public`. RFC 3416 3, RFC 1901.
        161 => b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00",
        // A STUN binding request. RFC 8489 5.
        3478 => b"\x00\x01\x00\x00\x21\x12\xa4\x42palisadebind",
        // A null call to the port mapper, version 2. RFC 5531 9, RFC 1833 3.
        111 => b"\x50\x41\x4c\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa0\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        // memcached's UDP frame header and `version`. Its protocol.txt, "UDP protocol".
        11211 => b"\x00\x01\x00\x00\x00\x01\x00\x00version\r\n",
        _ => b"",
    }
}

const NTP: [u8; 48] = {
    let mut packet = [0; 48];
    // Leap 0, version 4, mode 3 (client).
    packet[0] = 0x23;
    packet
};
