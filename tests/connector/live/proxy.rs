//! A small HTTP server between a connector and moto: passes calls on, refuses, throttles, cuts and mangles answers.
#![cfg(feature = "aws")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct Ask {
    /// `DescribeInstances`; empty for what is no AWS call.
    pub action: String,
    pub region: String,
    /// The account of the credentials, where this proxy saw them being issued.
    pub account: String,
    pub method: String,
    pub path: String,
    pub head: String,
    pub body: String,
    /// How many calls of this action, region and account there were before.
    pub before: usize,
}

impl Ask {
    pub fn is(&self, action: &str, region: &str) -> bool {
        self.action == action && self.region == region
    }
}

/// What becomes of it.
pub enum Act {
    /// Passed on.
    Pass,
    /// Passed on the first time, then answered from memory after so many milliseconds: the server's own time is left out.
    Replay(u64),
    /// Answered here: status and body.
    Reply(u16, String),
    /// As a reply, with further header lines.
    With(u16, String, &'static str),
    /// Passed on, and the answer's body changed.
    Change(fn(&str) -> String),
    /// Passed on, and the connection closed in the middle of the body.
    Cut,
}

type Memory = Mutex<HashMap<String, (u16, Vec<u8>)>>;
type Judge = dyn Fn(&Ask) -> Act + Send + Sync;

pub struct Proxy {
    pub endpoint: String,
    asks: Arc<Mutex<Vec<Ask>>>,
}

impl Proxy {
    /// Starts one in front of `behind` (`http://127.0.0.1:port`).
    pub fn start(behind: &str, judge: impl Fn(&Ask) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let behind = behind.trim_start_matches("http://").to_owned();
        assert!(behind.is_empty() || behind.starts_with("127.0.0.1:"), "{behind}");
        let asks = Arc::new(Mutex::new(Vec::new()));
        let (log, judge, keys) = (Arc::clone(&asks), Arc::new(judge), Arc::new(Mutex::new(HashMap::new())));
        let memory: Arc<Memory> = Arc::default();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (behind, log, judge, keys) =
                    (behind.clone(), Arc::clone(&log), Arc::clone(&judge), Arc::clone(&keys));
                let memory = Arc::clone(&memory);
                // A connection that breaks is the other side's affair.
                std::thread::spawn(move || drop(serve(stream.unwrap(), &behind, &log, &*judge, &keys, &memory)));
            }
        });
        Self { endpoint, asks }
    }

    /// Every call so far.
    pub fn asks(&self) -> Vec<Ask> {
        self.asks.lock().unwrap().clone()
    }
}

fn between<'t>(text: &'t str, from: &str, to: char) -> &'t str {
    let Some((_, rest)) = text.split_once(from) else { return "" };
    rest.split(to).next().unwrap_or("")
}

/// Reads head and body of a message; nothing at the end of the stream.
fn message(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let length = between(&head.to_ascii_lowercase(), "content-length: ", '\r').parse().unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

fn serve(
    stream: TcpStream,
    behind: &str,
    log: &Mutex<Vec<Ask>>,
    judge: &Judge,
    keys: &Mutex<HashMap<String, String>>,
    memory: &Memory,
) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = message(&mut stream)? {
        let text = String::from_utf8_lossy(&body).into_owned();
        let scope: Vec<&str> = between(&head, "Credential=", ',').split('/').collect();
        let part = |n: usize| scope.get(n).copied().unwrap_or("").to_owned();
        let target = between(&head, "AWSOrganizationsV20161128.", '\r');
        let action = if target.is_empty() { between(&text, "Action=", '&') } else { target }.to_owned();
        let mut line = head.split(' ');
        let mut ask = Ask {
            action,
            region: part(2),
            account: keys.lock().unwrap().get(&part(0)).cloned().unwrap_or_default(),
            method: line.next().unwrap_or("").to_owned(),
            path: line.next().unwrap_or("").to_owned(),
            head: head.clone(),
            body: text,
            before: 0,
        };
        {
            let mut log = log.lock().unwrap();
            let same = |a: &&Ask| (&a.action, &a.region, &a.account) == (&ask.action, &ask.region, &ask.account);
            ask.before = log.iter().filter(same).count();
            log.push(ask.clone());
        }
        let (status, body, more, cut) = match judge(&ask) {
            Act::Reply(status, body) => (status, body.into_bytes(), "", false),
            Act::With(status, body, more) => (status, body.into_bytes(), more, false),
            Act::Replay(delay_ms) => {
                let page = between(&ask.body, "NextToken=", '&');
                let version = between(&ask.body, "Version=", '&');
                let key = format!("{} {version} {} {page}", ask.action, ask.region);
                let known = memory.lock().unwrap().get(&key).cloned();
                let (status, answer) = match known {
                    Some(known) => known,
                    None => memory.lock().unwrap().entry(key).or_insert(forward(behind, &head, &body)?).clone(),
                };
                std::thread::sleep(std::time::Duration::from_millis(delay_ms));
                (status, answer, "", false)
            }
            act => {
                let (status, answer) = forward(behind, &head, &body)?;
                match act {
                    Act::Change(change) => (status, change(&String::from_utf8_lossy(&answer)).into_bytes(), "", false),
                    Act::Cut => (status, answer, "", true),
                    _ => (status, answer, "", false),
                }
            }
        };
        if ask.action == "AssumeRole" {
            let key = between(&String::from_utf8_lossy(&body), "<AccessKeyId>", '<').to_owned();
            let account = between(&ask.body, "arn%3Aaws%3Aiam%3A%3A", '%').to_owned();
            keys.lock().unwrap().insert(key, account);
        }
        write!(out, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{more}\r\n", body.len())?;
        let end = if cut { body.len() / 2 } else { body.len() };
        out.write_all(&body[..end])?;
        if cut {
            return out.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

fn forward(behind: &str, head: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
    let mut server = TcpStream::connect(behind)?;
    let closing = head.trim_end().to_owned() + "\r\nConnection: close\r\n\r\n";
    server.write_all(closing.as_bytes())?;
    server.write_all(body)?;
    let (head, body) = message(&mut BufReader::new(server))?.unwrap_or_default();
    Ok((head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(502), body))
}
