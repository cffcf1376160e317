//! Managers that speak through HTTP: Nomad and Windows remote management. One read that is offered to everybody each.
//! Nomad API reference, `/v1/jobs` and `/v1/status/leader`; DSP0226 11.

use super::evidence::Recognised;
use super::http_inner::{BASE, body, get, inner, known, request, whole};
use super::http_message::Answer;
use super::octets::text;
use super::services::{Service, Setup};
use super::turns::{self, Talk, Turn};

/// The rows of this file.
pub(super) const ALL: &[&Service] = &[&NOMAD, &WINRM];

/// The row.
pub const NOMAD: Service = Service {
    name: "nomad",
    ports: &[4646],
    hello: |setup| get("/v1/jobs", setup),
    recognise: |heard| inner(heard, |all| super::http_inner::field(all, "x-nomad-")),
    start: |setup| turns::speak("nomad", setup, get("/v1/jobs", setup), nomad),
    ..BASE
};

/// The row.
pub const WINRM: Service = Service {
    name: "winrm",
    ports: &[5985, 5986, 47001],
    hello: identify,
    recognise: |heard| inner(heard, identified),
    start: |setup| turns::speak("winrm", setup, identify(setup), winrm),
    ..BASE
};

fn nomad(talk: &mut Talk<'_>) -> Turn {
    let answer = match whole(talk) {
        Ok(answer) => answer,
        Err(turn) => return turn,
    };
    if !answer.fields.iter().any(|(name, _)| name.starts_with("x-nomad-")) {
        return Turn::Done;
    }
    known(talk, "nomad", "Nomad", None);
    match answer.status {
        200 if body(&answer).starts_with('[') => talk.learned.set("nomad.auth_required", false),
        401 | 403 => talk.learned.set("nomad.auth_required", true),
        _ => talk.learned.untested("nomad.auth_required", "the answer is neither the data nor a refusal"),
    }
    Turn::Done
}

/// Identify, which the standard lets everybody ask; the field says that no login is meant. DSP0226 11.
fn identify(setup: &Setup) -> Vec<u8> {
    let question = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
        xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"><s:Header/><s:Body><i:Identify/>\
        </s:Body></s:Envelope>";
    let plain = String::from_utf8_lossy(&request("POST", "/wsman", question, setup)).into_owned();
    let typed = "Content-Type: application/soap+xml;charset=UTF-8\r\nWSMANIDENTIFY: unauthenticated\r\n";
    plain.replacen("Content-Type: application/json\r\n", typed, 1).into_bytes()
}

/// It names itself, or asks for a login in the way of Windows.
fn identified(all: &str) -> bool {
    let own = all.contains("wsmanidentity.xsd") && all.contains("IdentifyResponse");
    let asks = super::http_inner::field(all, "www-authenticate: negotiate");
    own || (asks && super::http_inner::field(all, "server: microsoft-httpapi"))
}

fn element(all: &str, name: &str) -> Option<String> {
    let (_, rest) = all.split_once(&format!(":{name}>"))?;
    rest.split('<').next().map(|t| text(t.as_bytes())).filter(|t| !t.is_empty())
}

fn winrm(talk: &mut Talk<'_>) -> Turn {
    let answer: Answer = match whole(talk) {
        Ok(answer) => answer,
        Err(turn) => return turn,
    };
    let told = body(&answer);
    let negotiates =
        answer.fields.iter().any(|(n, v)| n == "www-authenticate" && v.to_ascii_lowercase().contains("negotiate"));
    let windows = answer.field("server").is_some_and(|s| s.starts_with("Microsoft-HTTPAPI"));
    if answer.status == 200 && told.contains("IdentifyResponse") && told.contains("wsmanidentity.xsd") {
        let mut service = Recognised::named("winrm", "answer to Identify");
        service.product = element(&told, "ProductVendor");
        if let Some(version) = element(&told, "ProductVersion") {
            talk.learned.set("winrm.version", version.as_str());
            service.version = Some(version);
        }
        talk.learned.service = Some(service);
        talk.learned.extract("answer to Identify", talk.bytes);
    } else if answer.status == 401 && negotiates && windows {
        talk.learned.service = Some(Recognised::named("winrm", "login asked for on /wsman"));
        talk.learned.set("winrm.auth_required", true);
        talk.learned.extract("login asked for", talk.bytes);
    }
    Turn::Done
}
