//! Services that speak through HTTP and say who they are: data stores, container engines, cluster parts. One read that the
//! service offers to everybody, then one that a service which wants a login refuses. Nothing is written; of lists the
//! count is kept. The paths are those of each product's own API reference.

use super::evidence::Recognised;
use super::http_message::{self, Answer, Reading};
use super::octets::{json, text};
use super::services::{Dialogues, Heard, Likeness, Service, Setup};
use super::turns::{self, Talk, Turn};
use super::{http, http_managers};
use crate::lang::job::Consent;

const ALL: &[&Service] =
    &[&ELASTICSEARCH, &COUCHDB, &CLICKHOUSE, &INFLUXDB, &ETCD, &DOCKER, &KUBERNETES, &KUBELET, &CONSUL];

/// Bytes of an answer in which marks are looked for.
const HEAD_BYTES: usize = 8 << 10;

pub(super) const BASE: Service = Service { in_tls: true, beside: page, ..turns::CLIENT };

/// The row.
pub const ELASTICSEARCH: Service = Service {
    name: "elasticsearch",
    ports: &[9200],
    hello: |setup| get("/", setup),
    recognise: |heard| inner(heard, search_mark),
    start: |setup| turns::speak("elasticsearch", setup, get("/", setup), |talk| read(talk, search)),
    ..BASE
};

/// The row.
pub const COUCHDB: Service = Service {
    name: "couchdb",
    ports: &[5984, 6984],
    hello: |setup| get("/", setup),
    recognise: |heard| inner(heard, |all| all.contains("{\"couchdb\":\"Welcome\"")),
    start: |setup| turns::speak("couchdb", setup, get("/", setup), |talk| read(talk, couch)),
    ..BASE
};

/// The row.
pub const CLICKHOUSE: Service = Service {
    name: "clickhouse",
    ports: &[8123, 8443],
    hello: |setup| get("/ping", setup),
    recognise: |heard| inner(heard, |all| field(all, "x-clickhouse-")),
    start: |setup| turns::speak("clickhouse", setup, get("/ping", setup), |talk| read(talk, click)),
    ..BASE
};

/// The row.
pub const INFLUXDB: Service = Service {
    name: "influxdb",
    ports: &[8086],
    hello: |setup| get("/ping", setup),
    recognise: |heard| inner(heard, |all| field(all, "x-influxdb-version:")),
    start: |setup| turns::speak("influxdb", setup, get("/ping", setup), |talk| read(talk, influx)),
    ..BASE
};

/// The row.
pub const ETCD: Service = Service {
    name: "etcd",
    ports: &[2379, 4001],
    hello: |setup| get("/version", setup),
    recognise: |heard| inner(heard, |all| all.contains("\"etcdserver\":") && all.contains("\"etcdcluster\":")),
    start: |setup| turns::speak("etcd", setup, get("/version", setup), |talk| read(talk, etcd)),
    ..BASE
};

/// The row.
pub const DOCKER: Service = Service {
    name: "docker",
    ports: &[2375, 2376],
    hello: |setup| get("/version", setup),
    recognise: |heard| inner(heard, |all| all.contains("\"ApiVersion\":") && all.contains("\"MinAPIVersion\":")),
    start: |setup| turns::speak("docker", setup, get("/version", setup), |talk| read(talk, docker)),
    ..BASE
};

/// The row.
pub const KUBERNETES: Service = Service {
    name: "kubernetes",
    ports: &[6443, 8001, 16443],
    hello: |setup| get("/version", setup),
    recognise: |heard| inner(heard, kubernetes_mark),
    start: |setup| turns::speak("kubernetes", setup, get("/version", setup), |talk| read(talk, kubernetes)),
    ..BASE
};

/// The row.
pub const KUBELET: Service = Service {
    name: "kubelet",
    ports: &[10250, 10255],
    hello: |setup| get("/pods", setup),
    recognise: |heard| inner(heard, kubelet_mark),
    start: |setup| turns::speak("kubelet", setup, get("/pods", setup), kubelet),
    ..BASE
};

/// The row.
pub const CONSUL: Service = Service {
    name: "consul",
    ports: &[8500, 8501],
    hello: |setup| get("/v1/agent/self", setup),
    recognise: |heard| inner(heard, |all| field(all, "x-consul-")),
    start: |setup| turns::speak("consul", setup, get("/v1/agent/self", setup), |talk| read(talk, consul)),
    ..BASE
};

/// True for an answer of which more is to come: what HTTP carries may show itself in a later piece.
pub(super) fn unfinished(bytes: &[u8]) -> bool {
    bytes.len() < HEAD_BYTES && bytes.starts_with(b"HTTP/1.") && http_message::read(bytes, false) == Reading::Partial
}

/// True for a service that HTTP carries: it is asked for where it is likely, and else shows itself in what HTTP answers.
pub(super) fn carries(name: &str) -> bool {
    ALL.iter().chain(http_managers::ALL).any(|s| s.name == name)
}

fn page(setup: &Setup) -> Dialogues {
    vec![("http".into(), http::start(setup))]
}

pub(super) fn get(path: &str, setup: &Setup) -> Vec<u8> {
    request("GET", path, "", setup)
}

pub(super) fn request(method: &str, path: &str, body: &str, setup: &Setup) -> Vec<u8> {
    let (host, port) = (setup.host(), setup.port);
    let agent = concat!("palisade/", env!("CARGO_PKG_VERSION"));
    let more = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
    };
    format!("{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n{more}\r\n{body}")
        .into_bytes()
}

/// True where a field of the head begins like this.
pub(super) fn field(all: &str, start: &str) -> bool {
    let head = all.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().skip(1).any(|l| l.get(..start.len()).is_some_and(|l| l.eq_ignore_ascii_case(start)))
}

pub(super) fn inner(heard: &Heard<'_>, marked: fn(&str) -> bool) -> Likeness {
    let head = heard.bytes.get(..heard.bytes.len().min(HEAD_BYTES)).unwrap_or_default();
    if head.starts_with(b"HTTP/1.") && marked(&String::from_utf8_lossy(head)) { Likeness::Inner } else { Likeness::No }
}

/// The answer, or what to do while there is none.
pub(super) fn whole(talk: &Talk<'_>) -> Result<Answer, Turn> {
    if talk.ended {
        return Err(Turn::More);
    }
    match http_message::read(talk.bytes, false) {
        Reading::Whole(answer) => Ok(*answer),
        Reading::Partial => Err(Turn::More),
        Reading::Foreign(_) => Err(Turn::Done),
    }
}

pub(super) fn body(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Lets a whole answer be read: the answer, and its body as text.
fn read(talk: &mut Talk<'_>, reader: fn(&mut Talk<'_>, &Answer, &str) -> Turn) -> Turn {
    match whole(talk) {
        Ok(answer) => reader(talk, &answer, &body(&answer)),
        Err(turn) => turn,
    }
}

/// Writes the service down, with its version where it is told.
pub(super) fn known(talk: &mut Talk<'_>, name: &str, product: &str, version: Option<&str>) {
    let mut service = Recognised::named(name, "answer to GET");
    service.product = Some(product.to_owned());
    let version = version.map(|v| text(v.as_bytes())).filter(|v| !v.is_empty());
    if let Some(version) = &version {
        talk.learned.set(&format!("{name}.version"), version.as_str());
    }
    service.version = version;
    talk.learned.service = Some(service);
    talk.learned.extract(&format!("answer of {name}"), talk.bytes);
}

/// What the second question tells: an answer in full, a refusal for want of a login, or neither.
fn open(talk: &mut Talk<'_>, name: &str, status: u16, data: bool) -> Turn {
    let path = format!("{name}.auth_required");
    match status {
        200 if data => talk.learned.set(&path, false),
        401 | 403 => talk.learned.set(&path, true),
        _ => talk.learned.untested(&path, "the answer is neither the data nor a refusal"),
    }
    Turn::Done
}

fn search_mark(all: &str) -> bool {
    let own = ["\"You Know, for Search\"", "\"The OpenSearch Project: https://opensearch.org/\""];
    own.iter().any(|m| all.contains(m))
        || (all.contains("\"security_exception\"")
            && all.contains("missing authentication credentials for REST request"))
}

fn search(talk: &mut Talk<'_>, answer: &Answer, body: &str) -> Turn {
    if !search_mark(body) {
        return Turn::Done;
    }
    let product = if body.contains("OpenSearch") { "OpenSearch" } else { "Elasticsearch" };
    let is_open = answer.status == 200;
    known(talk, "elasticsearch", product, json(body, "number").filter(|_| is_open));
    talk.learned.set("elasticsearch.open", is_open);
    talk.learned.set("elasticsearch.auth_required", !is_open);
    Turn::Done
}

fn couch(talk: &mut Talk<'_>, _: &Answer, body: &str) -> Turn {
    if json(body, "couchdb") != Some("Welcome") {
        return Turn::Done;
    }
    known(talk, "couchdb", "CouchDB", json(body, "version"));
    Turn::Again(get("/_all_dbs", talk.setup), |talk| {
        read(talk, |talk, answer, body| open(talk, "couchdb", answer.status, body.contains('[')))
    })
}

/// Whether a query may be run as nobody, which is an anonymous access and needs consent; says so where it may not.
fn granted(talk: &mut Talk<'_>, fact: &str) -> bool {
    let granted = talk.setup.may(Consent::Auth);
    if !granted {
        talk.learned.untested(fact, "the profile gives no consent to `auth`");
    }
    granted
}

fn click(talk: &mut Talk<'_>, answer: &Answer, _: &str) -> Turn {
    if !answer.fields.iter().any(|(name, _)| name.starts_with("x-clickhouse-")) {
        return Turn::Done;
    }
    known(talk, "clickhouse", "ClickHouse", None);
    if !granted(talk, "clickhouse.auth_required") {
        return Turn::Done;
    }
    Turn::Again(get("/?query=SELECT%20version()", talk.setup), |talk| {
        read(talk, |talk, answer, body| {
            let version = body.trim();
            let told = version.starts_with(|c: char| c.is_ascii_digit());
            if answer.status == 200 && told {
                known(talk, "clickhouse", "ClickHouse", Some(version));
            }
            open(talk, "clickhouse", answer.status, told)
        })
    })
}

fn influx(talk: &mut Talk<'_>, answer: &Answer, _: &str) -> Turn {
    let Some(version) = answer.field("x-influxdb-version") else { return Turn::Done };
    known(talk, "influxdb", "InfluxDB", Some(version));
    if !granted(talk, "influxdb.auth_required") {
        return Turn::Done;
    }
    Turn::Again(get("/query?q=SHOW%20DATABASES", talk.setup), |talk| {
        read(talk, |talk, answer, body| open(talk, "influxdb", answer.status, body.contains("\"results\"")))
    })
}

fn etcd(talk: &mut Talk<'_>, _: &Answer, body: &str) -> Turn {
    let Some(version) = json(body, "etcdserver") else { return Turn::Done };
    known(talk, "etcd", "etcd", Some(version));
    // All keys from the first on, of which the number alone is answered.
    let range = "{\"key\":\"AA==\",\"range_end\":\"AA==\",\"count_only\":true}";
    Turn::Again(request("POST", "/v3/kv/range", range, talk.setup), |talk| read(talk, keys))
}

fn keys(talk: &mut Talk<'_>, answer: &Answer, body: &str) -> Turn {
    if body.contains("etcdserver: user name is empty") {
        talk.learned.set("etcd.auth_required", true);
        return Turn::Done;
    }
    let told = body.contains("\"cluster_id\"");
    if answer.status == 200 && told {
        talk.learned.set("etcd.keys", json(body, "count").and_then(|n| n.parse::<i64>().ok()).unwrap_or(0));
    }
    open(talk, "etcd", answer.status, told)
}

fn docker(talk: &mut Talk<'_>, _: &Answer, body: &str) -> Turn {
    let Some(api) = json(body, "ApiVersion") else { return Turn::Done };
    let product = if body.contains("Podman Engine") { "Podman" } else { "Docker" };
    known(talk, "docker", product, json(body, "Version"));
    talk.learned.set("docker.api_version", text(api.as_bytes()));
    talk.learned.set("docker.auth_required", false);
    Turn::Done
}

/// A version to everybody, or a refusal in the words of the API. Kubernetes API reference, `Status`.
fn kubernetes_mark(all: &str) -> bool {
    let version = all.contains("\"gitVersion\"") && all.contains("\"gitTreeState\"");
    let status = json(all, "kind") == Some("Status") && json(all, "apiVersion") == Some("v1");
    version || (status && matches!(json(all, "reason"), Some("Forbidden" | "Unauthorized")))
}

fn kubernetes(talk: &mut Talk<'_>, _: &Answer, body: &str) -> Turn {
    if !kubernetes_mark(body) {
        return Turn::Done;
    }
    known(talk, "kubernetes", "Kubernetes", json(body, "gitVersion"));
    Turn::Again(get("/api/v1/namespaces?limit=1", talk.setup), |talk| {
        read(talk, |talk, answer, body| open(talk, "kubernetes", answer.status, body.contains("NamespaceList")))
    })
}

fn kubelet_mark(all: &str) -> bool {
    let pods = json(all, "kind") == Some("PodList");
    let refused = all.contains("Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource");
    pods || refused
}

/// The list is long: its beginning is enough, the rest is not waited for.
fn kubelet(talk: &mut Talk<'_>) -> Turn {
    let all =
        String::from_utf8_lossy(talk.bytes.get(..talk.bytes.len().min(HEAD_BYTES)).unwrap_or_default()).into_owned();
    if !kubelet_mark(&all) {
        return read(talk, |_, _, _| Turn::Done);
    }
    known(talk, "kubelet", "kubelet", None);
    talk.learned.set("kubelet.auth_required", !all.starts_with("HTTP/1.1 200"));
    Turn::Done
}

fn consul(talk: &mut Talk<'_>, answer: &Answer, body: &str) -> Turn {
    if !answer.fields.iter().any(|(name, _)| name.starts_with("x-consul-")) {
        return Turn::Done;
    }
    known(talk, "consul", "Consul", json(body, "Version"));
    match answer.status {
        200 => talk.learned.set("consul.auth_required", false),
        401 | 403 => talk.learned.set("consul.auth_required", true),
        _ => {}
    }
    Turn::Done
}
