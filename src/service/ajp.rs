//! AJP 1.3: a ping of the servlet container. "The AJP13 Protocol", Apache Tomcat Connectors, `CPing`.

use super::evidence::Recognised;
use super::services::Service;
use super::turns::{self, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "ajp",
    ports: &[8009],
    hello: |_| PING.to_vec(),
    recognise: |heard| sure(heard.bytes == PONG),
    start: |setup| {
        turns::speak("ajp", setup, PING.to_vec(), |talk| {
            if talk.bytes == PONG {
                talk.learned.service = Some(Recognised::named("ajp", "answer to a ping"));
                talk.learned.extract("answer to a ping", talk.bytes);
            } else if PONG.starts_with(talk.bytes) {
                return Turn::More;
            }
            Turn::Done
        })
    },
    ..turns::CLIENT
};

const PING: &[u8] = &[0x12, 0x34, 0, 1, 10];
const PONG: &[u8] = b"AB\0\x01\x09";
