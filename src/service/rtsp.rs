//! RTSP: what a camera or media server offers, and whether it describes a stream to strangers. No stream is fetched.
//! RFC 7826 13, RFC 2326 10.

use super::evidence::Recognised;
use super::octets::text;
use super::services::{Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn, sure};

/// The row.
pub const SERVICE: Service = Service {
    name: "rtsp",
    ports: &[554, 8554, 322],
    in_tls: true,
    hello: |setup| request("OPTIONS", "*", 1, setup),
    recognise,
    start: |setup| turns::speak("rtsp", setup, request("OPTIONS", "*", 1, setup), options),
    ..turns::CLIENT
};

/// Longest head that is read.
const MOST_BYTES: usize = 16 << 10;

fn request(method: &str, what: &str, number: u8, _: &Setup) -> Vec<u8> {
    let agent = concat!("palisade/", env!("CARGO_PKG_VERSION"));
    format!("{method} {what} RTSP/1.0\r\nCSeq: {number}\r\nUser-Agent: {agent}\r\n\r\n").into_bytes()
}

fn recognise(heard: &Heard<'_>) -> Likeness {
    let status = heard.bytes.get(9..12).is_some_and(|s| s.iter().all(u8::is_ascii_digit));
    sure(status && [&b"RTSP/1.0 "[..], b"RTSP/2.0 "].iter().any(|v| heard.bytes.starts_with(v)))
}

/// Status and fields of a whole head.
struct Head {
    status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

fn head(talk: &Talk<'_>) -> Result<Head, Turn> {
    let like = recognise(&Heard { hello: None, sent: &[], bytes: talk.bytes }) == Likeness::Sure;
    let kept = talk.bytes.get(..talk.bytes.len().min(MOST_BYTES)).unwrap_or_default();
    let all = String::from_utf8_lossy(kept).into_owned();
    let whole = all.split_once("\r\n\r\n");
    if talk.ended || (whole.is_none() && kept.len() < MOST_BYTES && (like || kept.len() < 12)) {
        return Err(Turn::More);
    }
    let (Some((head, _)), true) = (whole, like) else { return Err(Turn::Done) };
    let fields = head.lines().skip(1).filter_map(|l| l.split_once(':'));
    let fields = fields.map(|(n, v)| (n.trim().to_ascii_lowercase(), text(v.as_bytes()))).take(64);
    Ok(Head { status: all.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0), fields: fields.collect() })
}

fn options(talk: &mut Talk<'_>) -> Turn {
    let head = match head(talk) {
        Ok(head) => head,
        Err(turn) => return turn,
    };
    let mut service = Recognised::named("rtsp", "answer to OPTIONS");
    if let Some(server) = head.field("server") {
        talk.learned.set("rtsp.banner", server);
        service.product = Some(server.to_owned());
    }
    if let Some(methods) = head.field("public") {
        let methods = methods.split(',').map(|m| m.trim().to_owned()).filter(|m| !m.is_empty());
        talk.learned.set("rtsp.methods", methods.take(32).collect::<Vec<_>>());
    }
    talk.learned.service = Some(service);
    talk.learned.extract("answer to OPTIONS", talk.bytes);
    let what = format!("rtsp://{}:{}/", talk.setup.host(), talk.setup.port);
    Turn::Again(request("DESCRIBE", &what, 2, talk.setup), described)
}

fn described(talk: &mut Talk<'_>) -> Turn {
    let head = match head(talk) {
        Ok(head) => head,
        Err(turn) => return turn,
    };
    let sdp = head.field("content-type").is_some_and(|t| t.to_ascii_lowercase().starts_with("application/sdp"));
    match head.status {
        200 if sdp => talk.learned.set("rtsp.auth_required", false),
        401 | 403 => talk.learned.set("rtsp.auth_required", true),
        status => {
            let why = format!("DESCRIBE of the root was answered with {status}: the path of a stream is not known");
            talk.learned.untested("rtsp.auth_required", &why);
        }
    }
    talk.learned.extract("answer to DESCRIBE", talk.bytes);
    Turn::Done
}
