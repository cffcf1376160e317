//! Which ways to log in an SSH server offers: one request of the method `none`, with consent. It is the documented way to
//! ask; nothing is guessed. RFC 4252 5.2, RFC 4253 7, 8, 10, RFC 8731.

use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SystemRandom;
use sha2::{Digest, Sha256};

use super::conversation::{Conversation, Event, Learned, Step};
use super::ssh::{EXCHANGE_INIT, EXCHANGE_REPLY, IDENTIFICATION, identification};
use super::ssh_cipher::{CIPHERS, Sealed, Secrets};
use super::ssh_wire::{self, Lists, pack, put, take};

/// Exchange methods whose hash is SHA-256 and whose group is Curve25519. RFC 8731.
const METHODS: &[&str] = &["curve25519-sha256", "curve25519-sha256@libssh.org"];

/// Messages. RFC 4250 4.1.2.
const NEWKEYS: u8 = 21;
const SERVICE_REQUEST: u8 = 5;
const USERAUTH_REQUEST: u8 = 50;
const USERAUTH_FAILURE: u8 = 51;
const USERAUTH_SUCCESS: u8 = 52;
const USERAUTH_BANNER: u8 = 53;
const DISCONNECT: u8 = 1;

/// What stays untested.
const FACT: &str = "ssh.auth_methods";

#[derive(Default)]
enum Stage {
    #[default]
    Greeting,
    /// The server's identification line.
    Lists(String),
    Reply(Box<Exchange>),
    /// Bytes that were opened already.
    Answer(Box<Sealed>, usize),
}

/// A key exchange that has been begun.
struct Exchange {
    /// `V_C`, `V_S`, `I_C`, `I_S` as strings, hashed so far. RFC 8731 3.1, RFC 5656 4.
    transcript: Sha256,
    private: EphemeralPrivateKey,
    public: Vec<u8>,
    cipher: &'static str,
}

/// The conversation.
#[derive(Default)]
pub(super) struct Methods {
    stage: Stage,
    cookie: Vec<u8>,
}

impl Methods {
    pub(super) fn new(cookie: Vec<u8>) -> Self {
        Self { stage: Stage::Greeting, cookie }
    }

    fn give_up(&self, why: &str, learned: &mut Learned) -> Step {
        learned.untested(FACT, why);
        Step::Done
    }

    fn lists(&mut self, line: &str, bytes: &[u8], learned: &mut Learned) -> Step {
        let after = identification(bytes).map_or(bytes, |(_, end)| bytes.get(end..).unwrap_or_default());
        let payload = match ssh_wire::packet(after) {
            Ok(None) => {
                self.stage = Stage::Lists(line.to_owned());
                return Step::Wait;
            }
            Ok(Some((payload, _))) => payload,
            Err(why) => return self.give_up(why, learned),
        };
        let lists = match Lists::read(payload) {
            Ok(lists) => lists,
            Err(why) => return self.give_up(why, learned),
        };
        let both =
            |ours: &[&'static str], theirs: &[String]| ours.iter().copied().find(|o| theirs.iter().any(|t| t == o));
        let cipher = both(CIPHERS, &lists.ciphers_in).filter(|c| lists.ciphers_out.iter().any(|t| t == c));
        let (Some(method), Some(cipher), Some(host_key)) = (both(METHODS, &lists.kex), cipher, lists.host_keys.first())
        else {
            return self.give_up("it offers no key exchange and cipher that are known here", learned);
        };
        match self.begin(line, payload, method, cipher, host_key) {
            None => self.give_up("no key exchange can be begun", learned),
            Some((exchange, bytes)) => {
                self.stage = Stage::Reply(Box::new(exchange));
                Step::Send(bytes)
            }
        }
    }

    fn begin(
        &self,
        line: &str,
        theirs: &[u8],
        method: &str,
        cipher: &'static str,
        host_key: &str,
    ) -> Option<(Exchange, Vec<u8>)> {
        let mut ours = vec![ssh_wire::KEXINIT];
        ours.extend_from_slice(self.cookie.get(..16)?);
        for list in [method, host_key, cipher, cipher, "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""] {
            put(&mut ours, list.as_bytes());
        }
        ours.extend_from_slice(&[0; 5]);
        let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).ok()?;
        let public = private.compute_public_key().ok()?.as_ref().to_vec();
        let mut init = vec![EXCHANGE_INIT];
        put(&mut init, &public);
        let mut hashed = Vec::new();
        let mine = IDENTIFICATION.strip_suffix(b"\r\n")?;
        [mine, line.as_bytes(), &ours, theirs].iter().for_each(|part| put(&mut hashed, part));
        let exchange = Exchange { transcript: Sha256::new().chain_update(&hashed), private, public, cipher };
        Some((exchange, [pack(&ours), pack(&init)].concat()))
    }

    fn reply(&mut self, exchange: Box<Exchange>, bytes: &[u8], learned: &mut Learned) -> Step {
        let mut rest = bytes;
        let (mut reply, mut packets) = (None, 1);
        loop {
            let (payload, length) = match ssh_wire::packet(rest) {
                Ok(None) => {
                    self.stage = Stage::Reply(exchange);
                    return Step::Wait;
                }
                Ok(Some(found)) => found,
                Err(why) => return self.give_up(why, learned),
            };
            rest = rest.get(length..).unwrap_or_default();
            packets += 1;
            match payload.first() {
                Some(&EXCHANGE_REPLY) => reply = payload.get(1..),
                Some(&NEWKEYS) => break,
                Some(&DISCONNECT) => return self.give_up("it ended the key exchange", learned),
                _ => {}
            }
        }
        match reply.and_then(|r| ask(*exchange, r, packets)) {
            None => self.give_up("the answer to the key exchange cannot be read", learned),
            Some((sealed, bytes)) => {
                self.stage = Stage::Answer(Box::new(sealed), 0);
                Step::Send(bytes)
            }
        }
    }

    /// Opens what has come beyond the first `opened` bytes.
    fn answer(&mut self, mut sealed: Box<Sealed>, mut opened: usize, bytes: &[u8], learned: &mut Learned) -> Step {
        loop {
            match sealed.open(bytes.get(opened..).unwrap_or_default()) {
                Err(why) => return self.give_up(why, learned),
                Ok(None) => {
                    self.stage = Stage::Answer(sealed, opened);
                    return Step::Wait;
                }
                Ok(Some((payload, length))) => {
                    opened += length;
                    if verdict(&payload, learned).is_some() {
                        return Step::Done;
                    }
                }
            }
        }
    }
}

/// Keys from the reply, and the two requests under them.
fn ask(exchange: Exchange, reply: &[u8], received: u32) -> Option<(Sealed, Vec<u8>)> {
    let mut rest = reply;
    let (host_key, theirs) = (take(&mut rest)?, take(&mut rest)?);
    let shared = agree_ephemeral(exchange.private, &UnparsedPublicKey::new(&X25519, theirs), mpint).ok()?;
    let mut parts = Vec::new();
    [host_key, &exchange.public, theirs].iter().for_each(|part| put(&mut parts, part));
    let hash = exchange.transcript.chain_update(&parts).chain_update(&shared).finalize().to_vec();
    // KEXINIT, the exchange and NEWKEYS went before.
    let mut sealed = Sealed::new(exchange.cipher, &Secrets { shared, hash }, 3, received)?;
    let mut service = vec![SERVICE_REQUEST];
    put(&mut service, b"ssh-userauth");
    let mut request = vec![USERAUTH_REQUEST];
    [&b"palisade"[..], b"ssh-connection", b"none"].iter().for_each(|part| put(&mut request, part));
    let bytes = [pack(&[NEWKEYS]), sealed.seal(&service)?, sealed.seal(&request)?].concat();
    Some((sealed, bytes))
}

/// A positive number with its length. RFC 4251 5.
fn mpint(bytes: &[u8]) -> Vec<u8> {
    let mut number: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    if number.first().is_some_and(|b| b & 0x80 != 0) {
        number.insert(0, 0);
    }
    let mut out = Vec::new();
    put(&mut out, &number);
    out
}

/// What a decrypted message says; nothing where it is not the one that counts.
fn verdict(payload: &[u8], learned: &mut Learned) -> Option<()> {
    let mut rest = payload.get(1..)?;
    match *payload.first()? {
        USERAUTH_FAILURE => {
            let names = String::from_utf8_lossy(take(&mut rest)?).into_owned();
            let methods = names.split(',').filter(|n| !n.is_empty()).take(32).map(str::to_owned);
            learned.set(FACT, methods.collect::<Vec<String>>());
            Some(())
        }
        USERAUTH_SUCCESS => {
            learned.set(FACT, vec!["none".to_owned()]);
            Some(())
        }
        USERAUTH_BANNER => {
            let text = String::from_utf8_lossy(take(&mut rest)?).chars().take(256).collect::<String>();
            learned.set("ssh.login_banner", text);
            None
        }
        DISCONNECT => {
            learned.untested(FACT, "it ended the connection");
            Some(())
        }
        _ => None,
    }
}

impl Conversation for Methods {
    fn step(&mut self, event: Event<'_>, learned: &mut Learned) -> Step {
        let bytes = match event {
            Event::Open => return Step::Wait,
            Event::Data(bytes) => bytes,
            Event::Silent | Event::Closed | Event::NoTls => return self.give_up("no answer", learned),
        };
        match std::mem::take(&mut self.stage) {
            Stage::Greeting => match identification(bytes) {
                None => Step::Wait,
                Some((line, _)) => {
                    let step = self.lists(&line, bytes, learned);
                    match step {
                        Step::Send(exchange) => Step::Send([IDENTIFICATION, &exchange].concat()),
                        Step::Wait => Step::Send(IDENTIFICATION.to_vec()),
                        other => other,
                    }
                }
            },
            Stage::Lists(line) => self.lists(&line, bytes, learned),
            Stage::Reply(exchange) => self.reply(exchange, bytes, learned),
            Stage::Answer(sealed, opened) => self.answer(sealed, opened, bytes, learned),
        }
    }
}
