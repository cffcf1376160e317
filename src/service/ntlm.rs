//! NTLM, as much as is told before a login: the first message, and names and build in the challenge that answers it.
//! MS-NLMP 2.2.1.1, 2.2.1.2 and 2.2.2.1; in SPNEGO as MS-SPNG and RFC 4178 4.2 have it.

use super::ber;
use super::conversation::Learned;
use super::octets::{Octets, text};

const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// Unicode, target wanted, NTLM, always sign, extended security, version, 128 and 56 bits.
const FLAGS: u32 = 0xa208_8205;
/// The same for a user without a name.
const ANONYMOUS: u32 = FLAGS | 0x800;
/// 1.3.6.1.4.1.311.2.2.10.
const MECHANISM: &[u8] = &[6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10];
/// 1.3.6.1.5.5.2.
const SPNEGO: &[u8] = &[6, 6, 0x2b, 6, 1, 5, 5, 2];

/// NEGOTIATE_MESSAGE without names.
pub(super) fn negotiate() -> Vec<u8> {
    let mut out = [SIGNATURE, &[1, 0, 0, 0]].concat();
    out.extend(FLAGS.to_le_bytes());
    out.extend([0; 16]);
    out.extend([10, 0, 0, 0, 0, 0, 0, 15]);
    out
}

/// AUTHENTICATE_MESSAGE of the user without a name. MS-NLMP 3.2.5.1.2.
pub(super) fn anonymous() -> Vec<u8> {
    let mut out = [SIGNATURE, &[3, 0, 0, 0]].concat();
    // One zero byte stands for the older answer; all other fields are empty and lie at its end.
    let end: u32 = 72 + 1;
    for (length, at) in [(1u16, 72u32), (0, end), (0, end), (0, end), (0, end), (0, end)] {
        out.extend(length.to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(at.to_le_bytes());
    }
    out.extend(ANONYMOUS.to_le_bytes());
    out.extend([10, 0, 0, 0, 0, 0, 0, 15]);
    out.push(0);
    out
}

/// As the first token of SPNEGO.
pub(super) fn first_token(message: &[u8]) -> Vec<u8> {
    let kinds = ber::write(0xa0, &[&ber::write(0x30, &[MECHANISM])]);
    let token = ber::write(0xa2, &[&ber::write(4, &[message])]);
    ber::write(0x60, &[SPNEGO, &ber::write(0xa0, &[&ber::write(0x30, &[&kinds, &token])])])
}

/// As a later token.
pub(super) fn next_token(message: &[u8]) -> Vec<u8> {
    ber::write(0xa1, &[&ber::write(0x30, &[&ber::write(0xa2, &[&ber::write(4, &[message])])])])
}

/// What a challenge tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Challenge {
    /// DNS name of the computer, else its NetBIOS name.
    pub(super) host: Option<String>,
    /// DNS name of the domain, else its NetBIOS name.
    pub(super) domain: Option<String>,
    /// `10.0.20348`, and the build alone.
    pub(super) version: Option<(String, u16)>,
}

fn wide(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).filter_map(|c| c.try_into().ok().map(u16::from_le_bytes)).collect();
    text(String::from_utf16_lossy(&units).as_bytes())
}

/// Finds a CHALLENGE_MESSAGE, whatever it is wrapped in.
pub(super) fn challenge(bytes: &[u8]) -> Option<Challenge> {
    let at = bytes.windows(12).position(|w| w.starts_with(SIGNATURE) && w.ends_with(&[2, 0, 0, 0]))?;
    let message = bytes.get(at..)?;
    let mut octets = Octets(message);
    octets.take(40)?;
    let (length, _room, from) = (octets.le16()?, octets.le16()?, octets.le32()? as usize);
    let version = octets.take(8);
    let mut pairs = Octets(message.get(from..from.checked_add(length.into())?)?);
    let mut found = Challenge::default();
    let mut names: [Option<String>; 5] = Default::default();
    while let (Some(kind @ 1..), Some(length)) = (pairs.le16(), pairs.le16()) {
        let value = wide(pairs.take(length.into())?);
        if let Some(slot) = names.get_mut(usize::from(kind)) {
            *slot = Some(value).filter(|v| !v.is_empty());
        }
    }
    let [_, short_host, short_domain, host, domain] = names;
    found.host = host.or(short_host);
    found.domain = domain.or(short_domain);
    if let Some([major, minor, low, high, ..]) = version {
        let build = u16::from_le_bytes([*low, *high]);
        // Others than Windows leave it at zero, or say what they like.
        found.version = (*major > 0).then(|| (format!("{major}.{minor}.{build}"), build));
    }
    Some(found)
}

impl Challenge {
    /// Writes it down under the service's name.
    pub(super) fn tell(&self, service: &str, learned: &mut Learned) {
        if let Some(host) = &self.host {
            learned.set(&format!("{service}.host_name"), host.as_str());
        }
        if let Some(domain) = &self.domain {
            learned.set(&format!("{service}.domain"), domain.as_str());
        }
        if let Some((version, build)) = &self.version {
            learned.set(&format!("{service}.system_version"), version.as_str());
            learned.set(&format!("{service}.build"), i64::from(*build));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_hold_their_messages() {
        let message = negotiate();
        assert_eq!(message.len(), 40);
        assert_eq!(anonymous().len(), 73);
        for token in [first_token(&message), next_token(&message)] {
            assert!(token.ends_with(&message));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = challenge(&bytes);
            let _ = challenge(&[SIGNATURE, &[2, 0, 0, 0], &bytes].concat());
        }
    }
}
