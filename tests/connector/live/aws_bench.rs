//! Time and calls of a sync beside those of a plain boto3 loop. Runs only where `scripts/bench-aws.sh` asks for it.
#![cfg(feature = "aws")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use palisade::base::limits::Limits;

use super::moto::{gaps, in_account, moto, spec, sync};
use super::proxy::{Act, Proxy};

const REGIONS: [&str; 20] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-north-1",
    "eu-south-1",
    "ap-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-east-1",
    "me-south-1",
];

#[test]
fn a_sync_beside_a_plain_loop() {
    let Some(instances) = std::env::var("PALISADE_BENCH_AWS").ok() else { return };
    let Some(moto) = moto("a_sync_beside_a_plain_loop") else { return };
    let account = "333300000001";
    moto.script("many", &[account, &REGIONS.join(","), &instances]);
    static DELAY_MS: AtomicU64 = AtomicU64::new(0);
    let far = Proxy::start(&moto.endpoint, |_| Act::Replay(DELAY_MS.load(Ordering::SeqCst)));
    // Without delay, then as over a wide network. The first sync fills the memory and tells the server's own time.
    for (what, delay_ms) in [("server", 0), ("replay", 0), ("replay", 100)] {
        DELAY_MS.store(delay_ms, Ordering::SeqCst);
        let began = Instant::now();
        let (fetched, input, _) = sync(in_account(account, spec(&far.endpoint, &REGIONS)), &Limits::default());
        let took = began.elapsed();
        let calls: u64 = fetched.usage.iter().map(|u| u.calls).sum();
        assert_eq!(gaps(&input), Vec::<String>::new());
        println!("{what}, {delay_ms} ms a call: palisade {} instances, {calls} calls, {took:.2?}", input.assets.len());
        if what == "replay" {
            let plain = moto.script_at(&far.endpoint, "loop", &[account, &REGIONS.join(",")]);
            println!("{what}, {delay_ms} ms a call: boto3 loop {plain}");
        }
    }
}
