//! Questions and replies of the DNS, read and written by hickory's message types. RFC 1035, RFC 6891.

use std::net::IpAddr;

use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};

/// Size of a datagram that most paths carry whole (DNS flag day 2020).
const PAYLOAD: u16 = 1_232;
/// Bytes before the question. RFC 1035 4.1.1.
const HEADER: usize = 12;
/// Aliases followed within one answer, and from one answer to the next.
pub(super) const ALIASES: u8 = 16;

/// What a reply says about the name asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// Addresses, as many as there are.
    Addresses(Vec<IpAddr>),
    /// The name is an alias of this one, whose addresses were not sent along.
    Alias(Name),
    /// No such name.
    NoName,
    /// The name has no address of the family asked for.
    NoAddresses,
    /// It did not fit into a datagram.
    Truncated,
    /// The server does not know extended DNS. RFC 6891 7.
    NoExtension,
    /// The server's own trouble.
    Failed(&'static str),
}

/// Whether bytes answer a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// They do.
    Reply(Reply),
    /// They do but for the case of letters: a server that does not keep it, or a guess.
    OtherCase,
    /// They do not.
    Stranger,
    /// They claim to, and cannot be read.
    Unreadable,
}

/// A question as bytes; none for a name that cannot be asked for.
pub(super) fn question(id: u16, name: &Name, kind: RecordType, extended: bool) -> Option<Vec<u8>> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), kind));
    if extended {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        message.set_edns(edns);
    }
    message.to_vec().ok()
}

/// The name with the case of its letters drawn from `bits`: a reply must repeat it, which a forger has to guess.
pub(super) fn with_case(name: &Name, bits: u64) -> Name {
    let mut place = 0u32;
    let labels = name.iter().map(|label| {
        let mixed = label.iter().map(|byte| {
            place += 1;
            let upper = bits.rotate_right(place % u64::BITS) & 1 == 1;
            if upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
        });
        mixed.collect::<Vec<u8>>()
    });
    let labels: Vec<Vec<u8>> = labels.collect();
    let mut mixed = Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap_or_else(|_| name.clone());
    mixed.set_fqdn(true);
    mixed
}

/// The id of a message.
pub(super) fn id(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// The name, type and class of the question, as they stand in a message that asks one.
fn asked(query: &[u8]) -> Option<&[u8]> {
    let mut at = HEADER;
    loop {
        let label = usize::from(*query.get(at)?);
        at += 1 + label;
        if label == 0 {
            return query.get(HEADER..at + 4);
        }
    }
}

/// Reads the reply to a question. `query` is what was sent, `name` what it asked for.
pub(super) fn read(reply: &[u8], query: &[u8], name: &Name, kind: RecordType) -> Reading {
    let (Some(flags), Some(counted), Some(question)) = (reply.get(2..4), reply.get(4..6), asked(query)) else {
        return Reading::Stranger;
    };
    let response = flags.first().is_some_and(|f| f & 0xf8 == 0x80);
    let repeated = reply.get(HEADER..HEADER + question.len());
    let same_case = repeated == Some(question);
    if id(reply) != id(query)
        || !response
        || counted != [0, 1]
        || !repeated.is_some_and(|r| r.eq_ignore_ascii_case(question))
    {
        return Reading::Stranger;
    }
    if !same_case {
        return Reading::OtherCase;
    }
    // The rest of a truncated message may be cut anywhere.
    if flags.first().is_some_and(|f| f & 0x02 != 0) {
        return Reading::Reply(Reply::Truncated);
    }
    match Message::from_vec(reply) {
        Ok(message) => Reading::Reply(meaning(&message, name, kind)),
        Err(_) => Reading::Unreadable,
    }
}

fn meaning(message: &Message, name: &Name, kind: RecordType) -> Reply {
    match message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        ResponseCode::FormErr => return Reply::NoExtension,
        ResponseCode::ServFail => return Reply::Failed("server failure"),
        ResponseCode::Refused => return Reply::Failed("refused"),
        _ => return Reply::Failed("the server answers with an error"),
    }
    let mut at = name;
    let mut hops = 0;
    loop {
        let own = message.answers.iter().filter(|r| r.name == *at);
        let addresses: Vec<IpAddr> = own.clone().filter_map(|r| address(&r.data, kind)).collect();
        if !addresses.is_empty() {
            return Reply::Addresses(addresses);
        }
        let alias = own.clone().find_map(|r| if let RData::CNAME(to) = &r.data { Some(&to.0) } else { None });
        match alias {
            Some(to) if hops < ALIASES => at = to,
            Some(_) => return Reply::Failed("its aliases lead in a circle"),
            None => break,
        }
        hops += 1;
    }
    let authority = |kind| message.authorities.iter().any(|r| r.record_type() == kind);
    if message.metadata.response_code == ResponseCode::NXDomain {
        return Reply::NoName;
    }
    if hops > 0 {
        return if authority(RecordType::SOA) { Reply::NoAddresses } else { Reply::Alias(at.clone()) };
    }
    // A referral is no answer: nobody has looked the name up. RFC 2308 2.2.
    let referral = !message.metadata.authoritative
        && !message.metadata.recursion_available
        && authority(RecordType::NS)
        && !authority(RecordType::SOA);
    if referral { Reply::Failed("the server only refers to others") } else { Reply::NoAddresses }
}

fn address(data: &RData, kind: RecordType) -> Option<IpAddr> {
    match data {
        RData::A(a) if kind == RecordType::A => Some(IpAddr::V4(a.0)),
        RData::AAAA(a) if kind == RecordType::AAAA => Some(IpAddr::V6(a.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Record;
    use hickory_resolver::proto::rr::rdata::{A, CNAME, NS, SOA};
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    /// A reply to `h.example.` with these answers.
    fn reply(change: impl FnOnce(&mut Message)) -> (Vec<u8>, Vec<u8>) {
        let query = question(7, &name("h.example."), RecordType::A, true).unwrap();
        let mut message = Message::new(7, MessageType::Response, OpCode::Query);
        message.metadata.recursion_available = true;
        message.add_query(Query::query(name("h.example."), RecordType::A));
        change(&mut message);
        (message.to_vec().unwrap(), query)
    }

    fn told_answers(records: impl IntoIterator<Item = Record>) -> Reading {
        told(|m| {
            m.add_answers(records);
        })
    }

    fn told(change: impl FnOnce(&mut Message)) -> Reading {
        let (reply, query) = reply(change);
        read(&reply, &query, &name("h.example."), RecordType::A)
    }

    fn a(owner: &str, last: u8) -> Record {
        Record::from_rdata(name(owner), 60, RData::A(A::new(192, 0, 2, last)))
    }

    fn cname(owner: &str, to: &str) -> Record {
        Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(to))))
    }

    #[test]
    fn replies_are_told_apart() {
        let addresses = |last: &[u8]| {
            Reading::Reply(Reply::Addresses(last.iter().map(|l| IpAddr::from([192, 0, 2, *l])).collect()))
        };
        assert_eq!(told_answers([a("h.example.", 1), a("H.EXAMPLE.", 2)]), addresses(&[1, 2]));
        // Records of other names are no answer.
        assert_eq!(told_answers([a("x.example.", 1)]), Reading::Reply(Reply::NoAddresses));
        let chain = [cname("h.example.", "g.example."), a("f.example.", 9), cname("g.example.", "f.example.")];
        assert_eq!(told_answers(chain), addresses(&[9]));
        let open_end = [cname("h.example.", "g.example.")];
        assert_eq!(told_answers(open_end.clone()), Reading::Reply(Reply::Alias(name("g.example."))));
        let soa = SOA::new(name("ns.example."), name("host.example."), 1, 1, 1, 1, 1);
        let soa = Record::from_rdata(name("example."), 60, RData::SOA(soa));
        assert_eq!(
            told(|m| {
                m.add_answers(open_end.clone()).add_authority(soa);
            }),
            Reading::Reply(Reply::NoAddresses)
        );
        let circle = [cname("h.example.", "g.example."), cname("g.example.", "h.example.")];
        assert_eq!(told_answers(circle), Reading::Reply(Reply::Failed("its aliases lead in a circle")));
        assert_eq!(told(|m| m.metadata.response_code = ResponseCode::NXDomain), Reading::Reply(Reply::NoName));
        assert_eq!(told(|m| m.metadata.response_code = ResponseCode::FormErr), Reading::Reply(Reply::NoExtension));
        assert_eq!(told(|m| m.metadata.truncation = true), Reading::Reply(Reply::Truncated));
        assert_eq!(
            told(|m| {
                m.metadata.recursion_available = false;
                m.add_authority(Record::from_rdata(name("example."), 60, RData::NS(NS(name("ns.example.")))));
            }),
            Reading::Reply(Reply::Failed("the server only refers to others"))
        );
    }

    #[test]
    fn only_a_reply_to_the_very_question_counts() {
        let (good, query) = reply(|m| {
            m.add_answer(a("h.example.", 1));
        });
        let read_as = |bytes: &[u8]| read(bytes, &query, &name("h.example."), RecordType::A);
        assert!(matches!(read_as(&good), Reading::Reply(Reply::Addresses(_))));
        let change = |at: usize, by: u8| {
            let mut bad = good.clone();
            bad[at] ^= by;
            read_as(&bad)
        };
        // Id, response bit, operation, number of questions, another name, type, class.
        for (at, by) in [(0, 1), (1, 1), (2, 0x80), (2, 0x08), (5, 3), (13, 1), (24, 3), (26, 2)] {
            assert_eq!(change(at, by), Reading::Stranger, "byte {at}");
        }
        // Another case of a letter.
        assert_eq!(change(13, 0x20), Reading::OtherCase);
        for cut in 0..12 + 15 {
            assert_eq!(read_as(&good[..cut]), Reading::Stranger, "{cut}");
        }
        for cut in 12 + 15..good.len() {
            assert_eq!(read_as(&good[..cut]), Reading::Unreadable, "{cut}");
        }
    }

    #[test]
    fn the_case_is_mixed_and_the_name_stays() {
        let plain = name("some-host.example.com.");
        let mixed = with_case(&plain, 0x5a5a_1234_9876_0f0f);
        assert!(mixed == plain && !mixed.eq_case(&plain), "{mixed}");
        assert!(question(1, &mixed, RecordType::A, false).is_some());
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..700), honest in any::<bool>()) {
            let query = question(7, &name("h.example."), RecordType::A, true).unwrap();
            if honest && bytes.len() > 40 {
                // A true start, so that the reader goes on into the records.
                bytes[..27].copy_from_slice(&query[..27]);
                bytes[2] = 0x81;
                bytes[3] = 0x80;
            }
            let _ = read(&bytes, &query, &name("h.example."), RecordType::A);
        }

        #[test]
        fn mangled_replies_never_panic(flips in proptest::collection::vec((0usize..200, any::<u8>()), 1..8)) {
            let (mut bytes, query) = reply(|m| {
                m.add_answers([cname("h.example.", "g.example."), a("g.example.", 1), a("g.example.", 2)]);
            });
            for (at, to) in flips {
                if let Some(byte) = bytes.get_mut(27 + at) {
                    *byte = to;
                }
            }
            let _ = read(&bytes, &query, &name("h.example."), RecordType::A);
        }
    }
}
