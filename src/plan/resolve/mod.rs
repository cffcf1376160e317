//! Names to addresses: many at once, every answer recorded with its server and its time. A few names go through
//! hickory's resolver, many through datagrams of our own.

mod authority;
mod bulk;
mod message;
mod reverse;
mod server;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};

pub use self::authority::Authorities;
use self::bulk::Bulk;
pub use self::reverse::Pointer;
use crate::base::progress::{Progress, Stop, StopWish};

/// From so many names on, they are asked in bulk.
const BULK: usize = 300;

/// What became of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As asked.
    pub name: Arc<str>,
    /// Addresses, IPv4 first, each once. With an error they are none, or not all.
    pub addresses: Vec<IpAddr>,
    /// The server asked, or the servers.
    pub resolver: Arc<str>,
    /// `no such name`, `no addresses`, `timed out`, `server failure`, `refused`, `no answer: …`, `interrupted`, …;
    /// `IPv6 addresses: …` where only the IPv4 ones were read.
    pub error: Option<Arc<str>>,
}

/// Something that resolves names. Tests have their own.
pub trait Resolver {
    /// One answer a name, in the order asked.
    fn resolve(&self, names: &[Arc<str>], progress: &dyn Progress, stop: &Stop) -> Vec<Answer>;
}

/// Resolution by hickory, on a runtime of its own.
#[derive(Debug, Clone)]
pub struct Hickory {
    /// Servers to ask; empty for the system's.
    pub servers: Vec<SocketAddr>,
    /// Names in flight at once, in bulk to each server.
    pub in_flight: usize,
    /// Time for one name, all tries together.
    pub timeout: Duration,
    /// Addresses kept of one answer.
    pub addresses_per_name: usize,
    /// Ask for IPv6 addresses too.
    pub ipv6: bool,
}

impl Hickory {
    fn build(&self) -> Result<TokioResolver, String> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = if self.servers.is_empty() {
            TokioResolver::builder(provider).map_err(|e| format!("the system's name servers: {e}"))?
        } else {
            let servers = self.servers.iter().map(|at| {
                let mut server = NameServerConfig::udp_and_tcp(at.ip());
                for connection in &mut server.connections {
                    connection.port = at.port();
                }
                server
            });
            TokioResolver::builder_with_config(ResolverConfig::from_name_servers(servers.collect()), provider)
        };
        let options = builder.options_mut();
        options.ip_strategy = if self.ipv6 { LookupIpStrategy::Ipv4AndIpv6 } else { LookupIpStrategy::Ipv4Only };
        options.use_hosts_file = if self.servers.is_empty() { ResolveHosts::Auto } else { ResolveHosts::Never };
        // `attempts` counts repetitions: two mean three tries. Each gets its share of the whole time.
        options.attempts = 2;
        options.timeout = self.timeout / 3;
        builder.build().map_err(|e| e.to_string())
    }

    fn label(&self) -> Arc<str> {
        if self.servers.is_empty() {
            return "system".into();
        }
        self.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ").into()
    }

    async fn one(&self, resolver: &TokioResolver, name: Arc<str>, stop: &Stop) -> Answer {
        let mut answer = Answer { name, addresses: Vec::new(), resolver: self.label(), error: None };
        if stop.wish() != StopWish::None {
            answer.error = Some("interrupted".into());
            return answer;
        }
        // A trailing dot keeps search domains out.
        let full = format!("{}.", answer.name.trim_end_matches('.'));
        match tokio::time::timeout(self.timeout, resolver.lookup_ip(full)).await {
            Err(_) => answer.error = Some("timed out".into()),
            Ok(Err(error)) => answer.error = Some(cause(&error)),
            Ok(Ok(found)) => {
                answer.addresses = found.iter().map(|a| a.to_canonical()).collect();
                answer.addresses.sort();
                answer.addresses.dedup();
                answer.addresses.truncate(self.addresses_per_name);
            }
        }
        answer
    }
}

impl Hickory {
    /// The servers to ask over UDP; none where the system's cannot be read or are not of that kind.
    fn datagram_servers(&self) -> Option<Vec<SocketAddr>> {
        if !self.servers.is_empty() {
            return Some(self.servers.clone());
        }
        let (config, _) = system_conf::read_system_conf().ok()?;
        let port = |server: &NameServerConfig| {
            let udp = server.connections.iter().find(|c| matches!(c.protocol, ProtocolConfig::Udp))?;
            Some(SocketAddr::new(server.ip, udp.port))
        };
        let servers: Vec<SocketAddr> = config.name_servers().iter().filter_map(port).collect();
        (!servers.is_empty()).then_some(servers)
    }

    async fn bulk(
        &self,
        servers: Vec<SocketAddr>,
        names: &[Arc<str>],
        progress: &dyn Progress,
        stop: &Stop,
    ) -> std::io::Result<Vec<Answer>> {
        let (label, in_flight) = (self.label(), self.in_flight.max(1));
        let (timeout, addresses_per_name, ipv6) = (self.timeout, self.addresses_per_name, self.ipv6);
        let bulk = Bulk { names, servers, in_flight, timeout, addresses_per_name, ipv6, label };
        let mut answers = bulk::resolve(&bulk, progress, stop).await?;
        if self.servers.is_empty()
            && let Ok(hosts) = Hosts::from_system()
        {
            answers.iter_mut().for_each(|answer| self.prefer_hosts_file(&hosts, answer));
        }
        Ok(answers)
    }

    /// The system's own list of names goes before its servers.
    fn prefer_hosts_file(&self, hosts: &Hosts, answer: &mut Answer) {
        let Ok(name) = Name::from_utf8(&*answer.name) else { return };
        let kinds: &[RecordType] = if self.ipv6 { &[RecordType::A, RecordType::AAAA] } else { &[RecordType::A] };
        let listed = |kind: &RecordType| hosts.lookup_static_host(&Query::query(name.clone(), *kind));
        let mut found: Vec<IpAddr> = kinds
            .iter()
            .filter_map(listed)
            .flat_map(|l| l.answers().iter().filter_map(|r| r.data.ip_addr()).collect::<Vec<_>>())
            .collect();
        if found.is_empty() {
            return;
        }
        found.sort_unstable();
        found.dedup();
        found.truncate(self.addresses_per_name);
        (answer.addresses, answer.resolver, answer.error) = (found, "hosts file".into(), None);
    }
}

/// An error in a few words.
fn cause(error: &NetError) -> Arc<str> {
    match error {
        _ if error.is_nx_domain() => "no such name".into(),
        _ if error.is_no_records_found() => "no addresses".into(),
        NetError::Timeout => "timed out".into(),
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => "server failure".into(),
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => "refused".into(),
        other => format!("no answer: {other}").into(),
    }
}

impl Resolver for Hickory {
    fn resolve(&self, names: &[Arc<str>], progress: &dyn Progress, stop: &Stop) -> Vec<Answer> {
        let failed = |why: String| {
            let answer = |name: &Arc<str>| Answer {
                name: Arc::clone(name),
                addresses: Vec::new(),
                resolver: self.label(),
                error: Some(why.as_str().into()),
            };
            names.iter().map(answer).collect()
        };
        if names.is_empty() {
            return Vec::new();
        }
        // One thread is faster than several for this library (reference crates.md, section 4).
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return failed(error.to_string()),
        };
        progress.start("resolve", names.len() as u64);
        let answers = runtime.block_on(async {
            if names.len() >= BULK
                && let Some(servers) = self.datagram_servers()
            {
                return self.bulk(servers, names, progress, stop).await.unwrap_or_else(|e| failed(e.to_string()));
            }
            let resolver = match self.build() {
                Ok(resolver) => resolver,
                Err(why) => return failed(why),
            };
            let mut answers: Vec<Answer> = Vec::with_capacity(names.len());
            let all = names.iter().map(|name| self.one(&resolver, Arc::clone(name), stop));
            let mut running = stream::iter(all).buffered(self.in_flight.max(1));
            while let Some(answer) = running.next().await {
                answers.push(answer);
                progress.update("resolve", answers.len() as u64, "");
            }
            answers
        });
        progress.finish("resolve");
        answers
    }
}
