//! Made-up inventories for measurements and tests: any size, the same for the same seed, documentation addresses only.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use jiff::Timestamp;

use super::asset::{Address, AddressOrigin, AddressScope, Asset, Field, Interface, Provider, Value};
use super::catalogue::{TokenId, ids};
use super::partition::{Kind, Partition, PartitionId, PartitionState};
use super::snapshot::SnapshotInput;

/// A small generator of repeatable numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get((self.next() % items.len().max(1) as u64) as usize)
    }
}

const LOCATIONS: &[&str] = &["westus", "eastus", "westeurope", "northeurope", "germanywestcentral"];
const STATES: &[&str] = &["RUNNING", "RUNNING", "RUNNING", "STOPPED", "DEALLOCATED"];
const SIZES: &[&str] = &["Standard_B2s", "Standard_D2s_v5", "Standard_D4s_v5", "Standard_E8s_v5"];
const ENVIRONMENTS: &[&str] = &["prod", "stage", "test", "dev"];

/// So many Azure VMs of one connector; about half have a public address out of 198.18.0.0/15.
pub fn assets(n: usize, seed: u64) -> SnapshotInput {
    let mut numbers = Numbers(seed);
    let connector: Arc<str> = "synthetic".into();
    let subscription: Arc<str> = "00000000-0000-4000-8000-000000000001".into();
    let shared = |items: &[&'static str]| items.iter().map(|s| Arc::<str>::from(*s)).collect::<Vec<_>>();
    let (locations, states, sizes, environments) =
        (shared(LOCATIONS), shared(STATES), shared(SIZES), shared(ENVIRONMENTS));
    let groups: Vec<Arc<str>> = (0..200).map(|g| format!("rg-{g:03}").into()).collect();
    let modules: [Arc<str>; 2] = ["VM".into(), "PC".into()];
    let provider: Arc<str> = Provider::Azure.as_str().into();
    let env: Arc<str> = "env".into();
    let assets = (0..n)
        .map(|i| {
            let id: Arc<str> = format!("10000000-0000-4000-8000-{i:012x}").into();
            let name: Arc<str> = format!("vm-{i}").into();
            let public = (numbers.next() & 1 == 0)
                .then(|| IpAddr::V4(Ipv4Addr::from(0xc612_0000u32 | (i as u32 & 0x0001_ffff))));
            let private = IpAddr::V4(Ipv4Addr::from(0x0a00_0000u32 | (i as u32 & 0x00ff_ffff)));
            let mut fields = Vec::with_capacity(16);
            let mut add = |token: TokenId, value: Option<&Arc<str>>| {
                fields.extend(value.map(|v| Field { token, element: 0, value: Value::Str(Arc::clone(v)) }));
            };
            add(ids::NAME, Some(&name));
            add(ids::AZURE_NAME, Some(&name));
            add(ids::AZURE_VM_ID, Some(&id));
            add(ids::AZURE_LOCATION, numbers.pick(&locations));
            add(ids::AZURE_STATE, numbers.pick(&states));
            add(ids::AZURE_SIZE, numbers.pick(&sizes));
            add(ids::AZURE_GROUP, numbers.pick(&groups));
            add(ids::AZURE_SUBSCRIPTION, Some(&subscription));
            add(ids::AZURE_TAG_NAME, Some(&env));
            add(ids::AZURE_TAG_VALUE, numbers.pick(&environments));
            add(ids::PROVIDER, Some(&provider));
            add(ids::CONNECTORS_NAME, Some(&connector));
            add(ids::ACTIVATED_FOR_MODULES, modules.first());
            fields.extend(public.map(|p| Field { token: ids::AZURE_PUBLIC_IP, element: 0, value: Value::Ip(p) }));
            fields.push(Field { token: ids::AZURE_PRIVATE_IP, element: 0, value: Value::Ip(private) });
            let address = |addr, scope, origin| Address { addr, scope, origin, dns: None };
            let mut addresses = vec![address(private, AddressScope::Private, AddressOrigin::Primary)];
            addresses.extend(public.map(|p| address(p, AddressScope::Public, AddressOrigin::Elastic)));
            Asset {
                id,
                name: Some(name),
                provider: Provider::Azure,
                connector: Arc::clone(&connector),
                partition: PartitionId(0),
                interfaces: vec![Interface { id: "nic0".into(), network: None, addresses }],
                fields,
            }
        })
        .collect();
    SnapshotInput {
        taken_at: Timestamp::UNIX_EPOCH,
        learned_at: Timestamp::UNIX_EPOCH,
        assets,
        partitions: vec![Partition {
            connector,
            account: subscription,
            region: "".into(),
            kind: Kind::Instances,
            state: PartitionState::Complete,
        }],
        ..SnapshotInput::default()
    }
}
