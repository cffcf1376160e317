//! Encrypted SSH packets, as far as one question needs them: keys from a key exchange, and two authenticated ciphers.
//! RFC 4253 6, 7.2; OpenSSH's PROTOCOL.chacha20poly1305; RFC 5647 as OpenSSH applies it.

use ring::aead::chacha20_poly1305_openssh as chacha;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

/// Ciphers that are known, in the order they are asked for.
pub(super) const CIPHERS: &[&str] =
    &["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"];

/// Longest packet that is read.
const LONGEST: usize = 35_000;
const TAG: usize = 16;

/// What a key exchange agreed on.
pub(super) struct Secrets {
    /// The shared secret as an mpint, with its length.
    pub(super) shared: Vec<u8>,
    /// The exchange hash, which is also the session id.
    pub(super) hash: Vec<u8>,
}

impl Secrets {
    /// `HASH(K || H || letter || session_id)`, drawn out to `n` bytes. RFC 4253 7.2.
    fn key(&self, letter: u8, n: usize) -> Vec<u8> {
        let mut out = Sha256::new()
            .chain_update(&self.shared)
            .chain_update(&self.hash)
            .chain_update([letter])
            .chain_update(&self.hash)
            .finalize()
            .to_vec();
        while out.len() < n {
            let more = Sha256::new().chain_update(&self.shared).chain_update(&self.hash).chain_update(&out).finalize();
            out.extend_from_slice(&more);
        }
        out.truncate(n);
        out
    }
}

enum Keys {
    ChaCha(Box<(chacha::SealingKey, chacha::OpeningKey)>),
    Gcm(Box<Gcm>),
}

struct Gcm {
    seal: LessSafeKey,
    open: LessSafeKey,
    seal_iv: [u8; 12],
    open_iv: [u8; 12],
}

/// Both directions of an encrypted connection.
pub(super) struct Sealed {
    keys: Keys,
    /// Sequence numbers of the next packets.
    sent: u32,
    received: u32,
}

impl Sealed {
    /// Keys for a cipher of [`CIPHERS`]; `sent` and `received` packets have gone before.
    pub(super) fn new(cipher: &str, secrets: &Secrets, sent: u32, received: u32) -> Option<Self> {
        let keys = if cipher == "chacha20-poly1305@openssh.com" {
            let key = |letter| <[u8; chacha::KEY_LEN]>::try_from(secrets.key(letter, chacha::KEY_LEN)).ok();
            Keys::ChaCha(Box::new((chacha::SealingKey::new(&key(b'C')?), chacha::OpeningKey::new(&key(b'D')?))))
        } else {
            let (algorithm, n) = match cipher {
                "aes128-gcm@openssh.com" => (&AES_128_GCM, 16),
                "aes256-gcm@openssh.com" => (&AES_256_GCM, 32),
                _ => return None,
            };
            let key = |letter| UnboundKey::new(algorithm, &secrets.key(letter, n)).ok().map(LessSafeKey::new);
            let iv = |letter| <[u8; 12]>::try_from(secrets.key(letter, 12)).ok();
            Keys::Gcm(Box::new(Gcm { seal: key(b'C')?, open: key(b'D')?, seal_iv: iv(b'A')?, open_iv: iv(b'B')? }))
        };
        Some(Self { keys, sent, received })
    }

    /// One packet.
    pub(super) fn seal(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let block = if matches!(self.keys, Keys::ChaCha(_)) { 8 } else { 16 };
        // The length is not part of what is padded. PROTOCOL.chacha20poly1305, RFC 5647 7.2.
        let padding = 4 + (block - (payload.len() + 5) % block) % block;
        let mut packet = ((payload.len() + padding + 1) as u32).to_be_bytes().to_vec();
        packet.push(padding as u8);
        packet.extend_from_slice(payload);
        packet.resize(packet.len() + padding, 0);
        match &mut self.keys {
            Keys::ChaCha(keys) => {
                let mut tag = [0; TAG];
                keys.0.seal_in_place(self.sent, &mut packet, &mut tag);
                packet.extend_from_slice(&tag);
            }
            Keys::Gcm(gcm) => {
                let (length, body) = packet.split_at_mut_checked(4)?;
                let nonce = Nonce::assume_unique_for_key(gcm.seal_iv);
                let tag = gcm.seal.seal_in_place_separate_tag(nonce, Aad::from(&*length), body).ok()?;
                packet.extend_from_slice(tag.as_ref());
                count(&mut gcm.seal_iv);
            }
        }
        self.sent = self.sent.wrapping_add(1);
        Some(packet)
    }

    /// The first packet: payload and bytes it took. None where more bytes are needed; an error where it does not open.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
        let Some(head) = bytes.get(..4).and_then(|b| <[u8; 4]>::try_from(b).ok()) else { return Ok(None) };
        let length = match &self.keys {
            Keys::ChaCha(keys) => keys.1.decrypt_packet_length(self.received, head),
            Keys::Gcm(_) => head,
        };
        let length = u32::from_be_bytes(length) as usize;
        if !(2..=LONGEST).contains(&length) {
            return Err("an encrypted packet has an impossible length");
        }
        let Some(whole) = bytes.get(..4 + length + TAG) else { return Ok(None) };
        let (sealed, tag) = whole.split_at_checked(4 + length).ok_or("an encrypted packet is cut short")?;
        let mut sealed = sealed.to_vec();
        let broken = "an encrypted packet does not open";
        let plain: Vec<u8> = match &mut self.keys {
            Keys::ChaCha(keys) => {
                let tag = <&[u8; TAG]>::try_from(tag).map_err(|_| broken)?;
                keys.1.open_in_place(self.received, &mut sealed, tag).map_err(|_| broken)?.to_vec()
            }
            Keys::Gcm(gcm) => {
                let mut body = [sealed.get(4..).unwrap_or_default(), tag].concat();
                let nonce = Nonce::assume_unique_for_key(gcm.open_iv);
                let plain = gcm.open.open_in_place(nonce, Aad::from(head), &mut body).map_err(|_| broken)?.to_vec();
                count(&mut gcm.open_iv);
                plain
            }
        };
        self.received = self.received.wrapping_add(1);
        let padding = usize::from(plain.first().copied().unwrap_or(0));
        let end = plain.len().checked_sub(padding).filter(|e| *e >= 1).ok_or(broken)?;
        Ok(Some((plain.get(1..end).unwrap_or_default().to_vec(), 4 + length + TAG)))
    }
}

/// The last eight bytes are a counter. RFC 5647 7.1.
fn count(iv: &mut [u8; 12]) {
    for byte in iv.iter_mut().skip(4).rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(cipher: &str) -> (Sealed, Sealed) {
        let secrets = || Secrets { shared: vec![0, 0, 0, 1, 7], hash: vec![9; 32] };
        let ours = Sealed::new(cipher, &secrets(), 3, 3).unwrap();
        let mut theirs = Sealed::new(cipher, &secrets(), 3, 3).unwrap();
        // The other side's directions are the other way round.
        match &mut theirs.keys {
            Keys::ChaCha(keys) => {
                let key = |letter| <[u8; chacha::KEY_LEN]>::try_from(secrets().key(letter, chacha::KEY_LEN)).unwrap();
                **keys = (chacha::SealingKey::new(&key(b'D')), chacha::OpeningKey::new(&key(b'C')));
            }
            Keys::Gcm(gcm) => {
                let gcm = gcm.as_mut();
                std::mem::swap(&mut gcm.seal, &mut gcm.open);
                std::mem::swap(&mut gcm.seal_iv, &mut gcm.open_iv);
            }
        }
        (ours, theirs)
    }

    #[test]
    fn packets_come_out_as_they_went_in_and_damaged_ones_do_not() {
        for cipher in CIPHERS {
            let (mut ours, mut theirs) = pair(cipher);
            for payload in [&b"a"[..], b"hello world", &[7; 500]] {
                let packet = ours.seal(payload).unwrap();
                for cut in 0..packet.len() {
                    assert_eq!(theirs.open(&packet[..cut]).unwrap_or(None), None, "{cipher} {cut}");
                }
                assert_eq!(theirs.open(&packet).unwrap().unwrap(), (payload.to_vec(), packet.len()));
            }
            let mut packet = ours.seal(b"x").unwrap();
            *packet.last_mut().unwrap() ^= 1;
            assert!(theirs.open(&packet).is_err());
        }
    }
}
