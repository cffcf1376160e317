//! First datagrams that UDP services answer, written from their standards. Each asks for what anybody may know, changes
//! nothing, and is no industrial protocol: those need consent.

/// The payload for a port; empty where none is known.
pub(super) fn udp(port: u16) -> &'static [u8] {
    match port {
        // Any datagram is answered: echo (RFC 862), daytime (867), quote of the day (865), characters (864), time (868).
        7 | 13 | 17 | 19 | 37 => b"\r\n",
        53 => DNS,
        69 => TFTP,
        111 => PORTMAP,
        123 => &NTP,
        137 => NETBIOS,
        161 => SNMP,
        177 => XDMCP,
        389 => CLDAP,
        427 => SLP,
        443 | 853 | 8443 => &QUIC,
        500 => &IKE,
        520 => &RIP,
        623 => RMCP,
        1194 => &OPENVPN,
        // CLNT_UCAST_EX: which instances are there. [MC-SQLR] 2.2.2.
        1434 => b"\x03",
        1701 => L2TP,
        1900 => SSDP,
        2049 => NFS,
        3478 | 19302 => STUN,
        3702 => WS_DISCOVERY,
        4433 | 5684 => &DTLS,
        4500 => &IKE_NAT,
        5060 => SIP,
        5353 => MDNS,
        5683 => COAP,
        // The UDP frame header and `version`. memcached's protocol.txt, "UDP protocol".
        11211 => b"\x00\x01\x00\x00\x00\x01\x00\x00version\r\n",
        _ => b"",
    }
}

/// True where the answer comes from another port than the one asked: TFTP answers from a port of the transfer's own.
/// RFC 1350 4.
pub(super) fn answers_from_elsewhere(port: u16) -> bool {
    port == 69
}

/// The root's name servers, recursion not desired. RFC 1035 4.1.
const DNS: &[u8] = b"\x50\x41\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01";

/// Which services are there, a unicast answer wanted. RFC 6762 5.4, RFC 6763 9.
const MDNS: &[u8] =
    b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c\x80\x01";

/// A read request for a file that is not there: the error is the answer. RFC 1350 5.
const TFTP: &[u8] = b"\x00\x01palisade-no-such-file\x00octet\x00";

/// A null call to the port mapper, version 2. RFC 5531 9, RFC 1833 3.
const PORTMAP: &[u8] = b"\x50\x41\x4c\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa0\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/// A null call to NFS version 3. RFC 5531 9, RFC 1813 3.3.0.
const NFS: &[u8] = b"\x50\x41\x4c\x02\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa3\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/// A client request: leap 0, version 4, mode 3. RFC 5905 7.3.
const NTP: [u8; 48] = put([0; 48], 0, b"\x23");

/// The node's status: all its names. RFC 1002 4.2.17; `*` in the encoding of RFC 1001 14.1.
const NETBIOS: &[u8] =
    b"\x50\x41\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00\x00\x21\x00\x01";

/// An SNMPv2c GetRequest of sysDescr.0 for the community `public`. RFC 3416 3, RFC 1901.
const SNMP: &[u8] = b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00";

/// A Query without names of authentication. X Display Manager Control Protocol 1.1, "Query".
const XDMCP: &[u8] = b"\x00\x01\x00\x02\x00\x01\x00";

/// A search of the root entry for `objectclass`, over UDP as Active Directory answers it. RFC 4511 4.5.1, [MS-ADTS] 6.3.3.
const CLDAP: &[u8] = b"\x30\x25\x02\x01\x01\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectclass\x30\x00";

/// A service type request for all naming authorities in the default scope. RFC 2608 8, 10.1.
const SLP: &[u8] = b"\x02\x09\x00\x00\x1d\x00\x00\x00\x00\x00\x50\x41\x00\x02en\x00\x00\xff\xff\x00\x07DEFAULT";

/// An initial packet of a version that nobody speaks: a server answers which ones it does. It has to fill 1200 bytes.
/// RFC 9000 6.1, 14.1, 15, 17.2.
const QUIC: [u8; 1200] = put([0; 1200], 0, b"\xc0\x1a\x2a\x3a\x4a\x08palisade\x08edgescan");

/// The whole routing table. RFC 2453 3.9.1.
const RIP: [u8; 24] = put(put([0; 24], 0, b"\x01\x02"), 23, b"\x10");

/// A presence ping. Alert Standard Format 2.0 (DMTF DSP0136), 3.2.4.2; IPMI answers it.
const RMCP: &[u8] = b"\x06\x00\xff\x06\x00\x00\x11\xbe\x80\x00\x00\x00";

/// P_CONTROL_HARD_RESET_CLIENT_V2 with a session of its own. OpenVPN's protocol description, "Control channel".
const OPENVPN: [u8; 14] = *b"\x38palisade\x00\x00\x00\x00\x00";

/// A start of a control connection. RFC 2661 3.1, 6.1: message type, version, host name, framing, tunnel.
const L2TP: &[u8] = b"\xc8\x02\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x80\x08\x00\x00\x00\x00\x00\x01\x80\x08\x00\x00\x00\x02\x01\x00\x80\x0e\x00\x00\x00\x07palisade\x80\x0a\x00\x00\x00\x03\x00\x00\x00\x03\x80\x08\x00\x00\x00\x09\x00\x01";

/// A search for all devices, to one of them. UPnP Device Architecture 2.0, 1.3.2.
const SSDP: &[u8] =
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nST: ssdp:all\r\n\r\n";

/// A binding request. RFC 8489 5.
const STUN: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42palisadebind";

/// A probe for everything. OASIS WS-Discovery 1.1, 5.2.
const WS_DISCOVERY: &[u8] = b"<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><s:Header><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action><a:MessageID>urn:uuid:50414c49-5341-4445-8000-000000000001</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header><s:Body><d:Probe/></s:Body></s:Envelope>";

/// What can the server do? RFC 3261 11, 8.1.1.
const SIP: &[u8] = b"OPTIONS sip:palisade@invalid SIP/2.0\r\nVia: SIP/2.0/UDP invalid;branch=z9hG4bKpalisade;rport\r\nMax-Forwards: 70\r\nTo: <sip:palisade@invalid>\r\nFrom: <sip:palisade@invalid>;tag=palisade\r\nCall-ID: palisade@invalid\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

/// GET /.well-known/core. RFC 7252 3, 5.10.1, 7.2.
const COAP: &[u8] = b"\x40\x01\x50\x41\xbb.well-known\x04core";

/// A ClientHello without a cookie, which a server answers with a HelloVerifyRequest. RFC 6347 4.2.1, 4.2.2.
const DTLS: [u8; 73] = {
    // Record: handshake, DTLS 1.0 as first records have it, epoch and number 0, 60 bytes.
    let packet = put(put([0; 73], 0, b"\x16\xfe\xff"), 12, &[60]);
    // Handshake: client hello, 48 bytes in one fragment; DTLS 1.2.
    let packet = put(put(put(packet, 13, &[1]), 16, &[48]), 24, &[48, 0xfe, 0xfd]);
    // 32 random bytes, no session, no cookie, four suites, no compression.
    let packet = put(packet, 27, RANDOM);
    put(packet, 59, b"\x00\x00\x00\x08\xc0\x2b\xc0\x2f\xc0\x09\xc0\x13\x01\x00")
};

/// Where a protocol wants random bytes: nothing secret hangs on them.
const RANDOM: &[u8; 32] = b"palisade looks at its own edges.";

/// IKE_SA_INIT with one proposal: AES-CBC 128, SHA-256 twice, group 14. RFC 7296 1.2, 3.1 to 3.4, 3.9. The public value
/// is no one's: the conversation ends with the first answer.
const IKE: [u8; IKE_LEN] = {
    // SPI, then next payload SA, version 2.0, IKE_SA_INIT, initiator, message 0, length.
    let packet = put([0; IKE_LEN], 0, b"palisade\x00\x00\x00\x00\x00\x00\x00\x00\x21\x20\x22\x08");
    let packet = put(packet, 24, &(IKE_LEN as u32).to_be_bytes());
    // SA: next is KE, 48 bytes; one proposal of 44, IKE, four transforms.
    let packet = put(
        packet,
        28,
        b"\x22\x00\x00\x30\x00\x00\x00\x2c\x01\x01\x00\x04\x03\x00\x00\x0c\x01\x00\x00\x0c\x80\x0e\x00\x80",
    );
    let packet = put(
        packet,
        52,
        b"\x03\x00\x00\x08\x02\x00\x00\x05\x03\x00\x00\x08\x03\x00\x00\x0c\x00\x00\x00\x08\x04\x00\x00\x0e",
    );
    // KE: next is a nonce, 264 bytes, group 14.
    let packet = put(packet, 76, b"\x28\x00\x01\x08\x00\x0e\x00\x00");
    let packet = put(packet, 84, &[0x5a; 256]);
    // Nonce: the last, 36 bytes.
    put(put(packet, 340, b"\x00\x00\x00\x24"), 344, RANDOM)
};

/// Header, SA, KE, nonce.
const IKE_LEN: usize = 28 + 48 + 264 + 36;

/// The same behind the marker that tells it from ESP. RFC 3948 2.2.
const IKE_NAT: [u8; IKE_LEN + 4] = put([0; IKE_LEN + 4], 4, &IKE);

/// A packet with these bytes at a place.
#[expect(clippy::indexing_slicing, reason = "only used in constants, where an index out of bounds does not compile")]
const fn put<const N: usize>(mut packet: [u8; N], at: usize, bytes: &[u8]) -> [u8; N] {
    let mut i = 0;
    while i < bytes.len() {
        packet[at + i] = bytes[i];
        i += 1;
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn be(bytes: &[u8]) -> usize {
        bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b))
    }

    #[test]
    fn lengths_inside_say_what_is_there() {
        assert_eq!(be(&IKE[24..28]), IKE.len());
        // SA, its proposal, its transforms; then KE and nonce end where the packet does.
        assert_eq!((be(&IKE[30..32]), be(&IKE[34..36]), IKE[39]), (48, 44, 4));
        let mut at = 40;
        let mut kinds = Vec::new();
        while at < 28 + 48 {
            kinds.push(IKE[at + 4]);
            at += be(&IKE[at + 2..at + 4]);
        }
        assert_eq!((at, kinds), (76, vec![1, 2, 3, 4]));
        let nonce = at + be(&IKE[at + 2..at + 4]);
        assert_eq!(nonce + be(&IKE[nonce + 2..nonce + 4]), IKE.len());
        assert_eq!(be(&DTLS[11..13]), DTLS.len() - 13);
        assert_eq!((be(&DTLS[14..17]), be(&DTLS[22..25])), (DTLS.len() - 25, DTLS.len() - 25));
        assert_eq!(be(&L2TP[2..4]), L2TP.len());
        let mut at = 12;
        while at < L2TP.len() {
            at += be(&L2TP[at..at + 2]) & 0x3ff;
        }
        assert_eq!(at, L2TP.len());
        assert_eq!(be(&SLP[2..5]), SLP.len());
        assert_eq!((CLDAP[1] as usize, CLDAP[6] as usize), (CLDAP.len() - 2, CLDAP.len() - 7));
        assert_eq!(SNMP[1] as usize, SNMP.len() - 2);
        assert_eq!((NETBIOS.len(), PORTMAP.len(), NFS.len()), (50, 40, 40));
        assert_eq!(COAP.len(), 4 + 1 + 11 + 1 + 4);
        assert_eq!((QUIC.len(), &QUIC[5..15], &QUIC[15..24]), (1200, &b"\x08palisade\x08"[..], &b"edgescan\0"[..]));
        assert!((0..=65_535).all(|p| udp(p).len() <= 1_472), "no probe is fragmented");
    }
}
