//! Cisco Smart Install: whether the client's role answers, by the one message that Cisco and Talos publish to find it.
//! Nothing is set. Cisco PSIRT, cisco-sa-20170214-smi.

use super::evidence::Recognised;
use super::services::{Heard, Likeness, Service};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "smart-install",
    ports: &[4786],
    hello: |_| HELLO.to_vec(),
    recognise: |heard: &Heard<'_>| -> Likeness { sure(heard.hello == Some("smart-install") && heard.bytes == ANSWER) },
    start: |setup| turns::speak("smart-install", setup, HELLO.to_vec(), answered),
    ..turns::CLIENT
};

const HELLO: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0];
const ANSWER: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0];

fn answered(talk: &mut Talk<'_>) -> Turn {
    if talk.bytes != ANSWER {
        return if ANSWER.starts_with(talk.bytes) && !talk.ended { Turn::More } else { Turn::Done };
    }
    talk.learned.service = Some(Recognised::named("smart-install", "answer to a question for the role"));
    talk.learned.extract("answer to a question for the role", talk.bytes);
    Turn::Done
}
