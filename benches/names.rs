//! Names a second: resolves a file of names as a plan does, and prints what became of them.
//!
//! `cargo build --release --bench names`, then `names SERVER[,SERVER] FILE [IN_FLIGHT] [both]`; `scripts/bench-names.sh`
//! runs it beside other resolvers.
#![expect(clippy::print_stdout, reason = "a measuring program prints")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use palisade::base::progress::{Silent, Stop};
use palisade::plan::resolve::{Hickory, Resolver};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|w| w != "--bench").collect();
    let [servers, file, more @ ..] = words.as_slice() else {
        println!("names: skipped; give it SERVER FILE, or run scripts/bench-names.sh");
        return ExitCode::SUCCESS;
    };
    let servers: Result<Vec<SocketAddr>, _> = servers.split(',').map(str::parse).collect();
    let (Ok(servers), Ok(text)) = (servers, std::fs::read_to_string(file)) else {
        println!("names: SERVER is ADDRESS:PORT, FILE holds a name a line");
        return ExitCode::FAILURE;
    };
    if servers.iter().any(|s| !s.ip().is_loopback()) {
        println!("names: this bench asks servers on loopback only");
        return ExitCode::FAILURE;
    }
    let names: Vec<Arc<str>> = text.lines().map(Arc::from).collect();
    let resolver = Hickory {
        servers,
        in_flight: more.first().and_then(|n| n.parse().ok()).unwrap_or(500),
        timeout: Duration::from_secs(5),
        addresses_per_name: 64,
        ipv6: more.iter().any(|w| w == "both"),
    };
    let start = Instant::now();
    let answers = resolver.resolve(&names, &Silent, &Stop::default());
    let took = start.elapsed().as_secs_f64();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for answer in &answers {
        *kinds.entry(answer.error.as_deref().unwrap_or("addresses")).or_default() += 1;
    }
    println!("{} names in {took:.3} s, {:.0}/s: {kinds:?}", names.len(), names.len() as f64 / took);
    ExitCode::SUCCESS
}
