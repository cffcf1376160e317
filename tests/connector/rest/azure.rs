//! Azure: a whole sync, confirmation of addresses, rights.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use palisade::base::clock::SystemClock;
use palisade::base::limits::Limits;
use palisade::base::progress::{Silent, Stop};
use palisade::connector::live::assemble::assemble;
use palisade::connector::live::azure::{Azure, AzureConfig};
use palisade::connector::live::azure_token::AzureIdentity;
use palisade::connector::live::secret::Secret;
use palisade::connector::live::{Claim, Fetched, Live};

use super::super::dump::{lab, show};
use super::server::{Answer, Asked, Server};

pub const A: &str = "aaaaaaaa-0000-0000-0000-000000000001";
pub const B: &str = "bbbbbbbb-0000-0000-0000-000000000002";
/// What must never be seen in any output.
pub const SECRET: &str = "application-password-of-the-test";

/// A connector that asks the server and nobody else.
pub fn connector(server: &Server, subscriptions: Option<&[&str]>) -> Azure {
    limited(server, subscriptions, &Limits::default())
}

/// The same with other limits.
pub fn limited(server: &Server, subscriptions: Option<&[&str]>, limits: &Limits) -> Azure {
    let config = AzureConfig {
        identity: AzureIdentity {
            tenant: Some("tenant".into()),
            client_id: Some("client".into()),
            client_secret: Some(Secret::new(SECRET.into())),
            authority: Some(server.url.clone()),
            ..AzureIdentity::default()
        },
        subscriptions: subscriptions.map(|s| s.iter().map(|s| (*s).to_owned()).collect()),
        endpoint: Some(server.url.clone()),
        call_budget_percent: 100,
    };
    Azure::new(config, limits, Arc::new(SystemClock::default()), 1).unwrap()
}

/// A sync as text: assets, load balancers, partitions, notices, then errors and calls.
pub fn text(fetched: Fetched) -> String {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let Fetched { recordings, usage, errors, .. } = fetched;
    let (input, notices) = assemble(&lab(), recordings, now, &Limits::default());
    let mut out = show(&input, &notices);
    for e in errors {
        writeln!(out, "failed: {e}").unwrap();
    }
    for u in usage {
        let account = if u.account.is_empty() { "-" } else { &*u.account };
        writeln!(out, "calls {account} {}: {}, throttled {}", u.call, u.calls, u.throttled).unwrap();
    }
    assert!(!out.contains(SECRET));
    out
}

/// Only what tells how the reading went.
pub fn states(fetched: Fetched) -> String {
    let all = text(fetched);
    let kept = all.lines().filter(|l| ["partition", "failed", "asset", "balancer"].iter().any(|w| l.starts_with(w)));
    kept.map(|l| format!("{l}\n")).collect()
}

/// The authority's answer.
pub fn token(n: u32) -> Answer {
    Answer::ok(format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"token-{n}"}}"#))
}

pub fn id(subscription: &str, provider: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/rg/providers/{provider}/{name}")
}

pub fn vm(subscription: &str, name: &str, location: &str) -> String {
    let nic = id(subscription, "Microsoft.Network/networkInterfaces", &format!("{name}-nic"));
    format!(
        r#"{{"id":"{}","name":"{name}","type":"microsoft.compute/virtualmachines","location":"{location}","tags":{{"env":"prod"}},"sku":null,
        "properties":{{"vmId":"{name}-0000","hardwareProfile":{{"vmSize":"Standard_B2s"}},"networkProfile":{{"networkInterfaces":[{{"id":"{nic}"}}]}}}}}}"#,
        id(subscription, "Microsoft.Compute/virtualMachines", name)
    )
}

pub fn nic(subscription: &str, name: &str, location: &str, private: &str) -> String {
    let pip = id(subscription, "Microsoft.Network/publicIPAddresses", &format!("{name}-ip"));
    format!(
        r#"{{"id":"{}","name":"{name}-nic","type":"microsoft.network/networkinterfaces","location":"{location}",
        "properties":{{"ipConfigurations":[{{"id":"c","properties":{{"primary":true,"privateIPAddress":"{private}","publicIPAddress":{{"id":"{pip}"}}}}}}]}}}}"#,
        id(subscription, "Microsoft.Network/networkInterfaces", &format!("{name}-nic"))
    )
}

pub fn pip(subscription: &str, name: &str, location: &str, addr: &str, attached: &str) -> String {
    format!(
        r#"{{"id":"{}","name":"{name}-ip","type":"microsoft.network/publicipaddresses","location":"{location}",
        "properties":{{"ipAddress":"{addr}","publicIPAllocationMethod":"Static","ipConfiguration":{{"id":"{attached}"}}}}}}"#,
        id(subscription, "Microsoft.Network/publicIPAddresses", &format!("{name}-ip"))
    )
}

/// Which of our queries it is.
pub fn kind(asked: &Asked) -> &'static str {
    let kinds = ["virtualmachines", "networkinterfaces", "publicipaddresses", "loadbalancers"];
    kinds
        .into_iter()
        .find(|k| {
            asked
                .body
                .contains(&format!("microsoft.{}/{k}'", if *k == "virtualmachines" { "compute" } else { "network" }))
        })
        .unwrap()
}

pub fn rows(rows: &[String], total: usize, skip: &str) -> Answer {
    let skip = if skip.is_empty() { String::new() } else { format!(r#","$skipToken":"{skip}""#) };
    Answer::ok(format!(
        r#"{{"totalRecords":{total},"count":{},"data":[{}],"facets":[],"resultTruncated":"false"{skip}}}"#,
        rows.len(),
        rows.join(",")
    ))
}

/// Power states of some machines.
pub fn views(subscription: &str, machines: &[(&str, &str, &str)]) -> Answer {
    let all = machines.iter().map(|(name, location, state)| {
        format!(
            r#"{{"id":"{}","name":"{name}","type":"Microsoft.Compute/virtualMachines","location":"{location}","properties":{{"vmId":"{name}-0000",
            "instanceView":{{"statuses":[{{"code":"ProvisioningState/succeeded"}},{{"code":"PowerState/{state}"}}]}}}}}}"#,
            id(&subscription.to_ascii_uppercase(), "Microsoft.Compute/virtualMachines", name)
        )
    });
    Answer::ok(format!(r#"{{"value":[{}]}}"#, all.collect::<Vec<_>>().join(",")))
}

pub fn refused() -> Answer {
    Answer::status(
        403,
        r#"{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization."}}"#,
    )
}

/// Two subscriptions: machines over two pages, a scale set, a load balancer. Page 2 is throttled at first, and the
/// first token is refused half-way.
fn world(tokens: &AtomicU32, throttled: &AtomicU32, asked: &Asked, base: &str) -> Answer {
    if asked.target.starts_with("/tenant/oauth2/v2.0/token") {
        assert!(asked.body.contains(&format!("client_secret={SECRET}")), "{}", asked.body);
        return token(tokens.fetch_add(1, Ordering::SeqCst) + 1);
    }
    let expired =
        Answer::status(401, r#"{"error":{"code":"ExpiredAuthenticationToken","message":"The token expired."}}"#);
    let set = id(A, "Microsoft.Compute/virtualMachineScaleSets", "set1");
    match asked.target.split('?').next().unwrap() {
        "/providers/Microsoft.ResourceGraph/resources" => {
            match (kind(asked), asked.body.contains("\"$skipToken\":\"two\"")) {
                ("virtualmachines", false) => {
                    let sets = format!(
                        r#"{{"id":"{set}","name":"set1","type":"microsoft.compute/virtualmachinescalesets","location":"westus","sku":{{"name":"Standard_B1s","capacity":1}},"properties":{{"orchestrationMode":"Uniform"}}}},
                    {{"id":"{set}f","name":"set1f","type":"microsoft.compute/virtualmachinescalesets","location":"westus","sku":{{"capacity":3}},"properties":{{"orchestrationMode":"Flexible"}}}}"#
                    );
                    rows(&[vm(A, "web1", "westus"), sets], 4, "two")
                        .body
                        .replace("\"count\":2", "\"count\":3")
                        .into_ok()
                }
                ("virtualmachines", true) if throttled.fetch_add(1, Ordering::SeqCst) == 0 => Answer::busy(),
                ("virtualmachines", true) => rows(&[vm(B, "db1", "northeurope")], 4, ""),
                ("networkinterfaces", _) => {
                    rows(&[nic(A, "web1", "westus", "10.0.0.4"), nic(B, "db1", "northeurope", "10.1.0.4")], 2, "")
                }
                ("publicipaddresses", _) if asked.token == "token-1" => expired,
                ("publicipaddresses", _) => {
                    let front = id(A, "Microsoft.Network/loadBalancers", "lb1/frontendIPConfigurations/f");
                    let addresses = [
                        pip(A, "web1", "westus", "203.0.113.4", "c"),
                        pip(B, "db1", "northeurope", "203.0.113.5", "c"),
                        pip(A, "front", "westus", "203.0.113.6", &front),
                    ];
                    rows(&addresses, 3, "")
                }
                (_, _) => {
                    let balancer = format!(
                        r#"{{"id":"{}","name":"lb1","type":"microsoft.network/loadbalancers","location":"westus","properties":{{"frontendIPConfigurations":[
                    {{"id":"f","properties":{{"publicIPAddress":{{"id":"{}"}}}}}}]}}}}"#,
                        id(A, "Microsoft.Network/loadBalancers", "lb1"),
                        id(A, "Microsoft.Network/publicIPAddresses", "front-ip")
                    );
                    rows(&[balancer], 1, "")
                }
            }
        }
        path if path == format!("/subscriptions/{A}/providers/Microsoft.Compute/virtualMachines") => {
            views(A, &[("web1", "westus", "running")])
        }
        path if path == format!("/subscriptions/{B}/providers/Microsoft.Compute/virtualMachines") => {
            if asked.target.contains("page=2") {
                return views(B, &[("db1", "northeurope", "deallocated")]);
            }
            Answer::ok(format!(r#"{{"value":[],"nextLink":"{base}{}&page=2"}}"#, asked.target))
        }
        path if path == format!("{set}/virtualMachines") => Answer::ok(format!(
            r#"{{"value":[{{"instanceId":"0","name":"set1_0","id":"{set}/virtualMachines/0","type":"Microsoft.Compute/virtualMachineScaleSets/virtualMachines","location":"westus",
            "sku":{{"name":"Standard_B1s","tier":"Standard"}},"properties":{{"vmId":"SET1-0","networkProfile":{{"networkInterfaces":[{{"id":"{set}/virtualMachines/0/networkInterfaces/n"}}]}},
            "instanceView":{{"statuses":[{{"code":"PowerState/running"}}]}}}}}}]}}"#
        )),
        path if path == format!("{set}/networkInterfaces") => Answer::ok(format!(
            r#"{{"value":[{{"name":"n","id":"{set}/virtualMachines/0/networkInterfaces/n","properties":{{"macAddress":"00-0D-3A-00-00-01","virtualMachine":{{"id":"{set}/virtualMachines/0"}},
            "ipConfigurations":[{{"name":"i","id":"i","properties":{{"primary":true,"privateIPAddress":"10.0.1.4","publicIPAddress":{{"id":"{set}/virtualMachines/0/networkInterfaces/n/ipConfigurations/i/publicIPAddresses/p"}}}}}}]}}}}]}}"#
        )),
        path if path == format!("{set}/publicipaddresses") => Answer::ok(format!(
            r#"{{"value":[{{"name":"p","id":"{set}/virtualMachines/0/networkInterfaces/n/ipConfigurations/i/publicIPAddresses/p","properties":{{"publicIPAllocationMethod":"Dynamic","ipAddress":"203.0.113.9"}}}}]}}"#
        )),
        other => panic!("nobody should ask for {other}"),
    }
}

trait IntoOk {
    fn into_ok(self) -> Answer;
}

impl IntoOk for String {
    fn into_ok(self) -> Answer {
        Answer::ok(self)
    }
}

#[test]
fn two_subscriptions_with_everything() {
    let (tokens, throttled) = (AtomicU32::new(0), AtomicU32::new(0));
    let server = Server::start(move |asked, base| world(&tokens, &throttled, asked, base));
    let fetched = connector(&server, Some(&[A, B])).fetch(&Silent, &Stop::default());
    insta::assert_snapshot!(text(fetched), @r#"
    asset web1-0000 web1 in lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances
      interface /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/web1-nic in -
        10.0.0.4 Private Primary -
        203.0.113.4 Public Elastic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      azure.tags.name.0 = env
      azure.tags.value.0 = prod
      azure.vm.location.0 = westus
      azure.vm.name.0 = web1
      azure.vm.privateIpAddress.0 = 10.0.0.4
      azure.vm.publicIpAddress.0 = 203.0.113.4
      azure.vm.resourceGroupName.0 = rg
      azure.vm.size.0 = Standard_B2s
      azure.vm.state.0 = RUNNING
      azure.vm.subscriptionId.0 = aaaaaaaa-0000-0000-0000-000000000001
      azure.vm.vmId.0 = web1-0000
      connectors.name.0 = lab
      interfaces.address.0 = 10.0.0.4
      interfaces.address.0 = 203.0.113.4
      name.0 = web1
      provider.0 = AZURE
      trackingMethod.0 = VIRTUAL_MACHINE_ID
    asset db1-0000 db1 in lab/bbbbbbbb-0000-0000-0000-000000000002/northeurope/instances
      interface /subscriptions/bbbbbbbb-0000-0000-0000-000000000002/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/db1-nic in -
        10.1.0.4 Private Primary -
        203.0.113.5 Public Elastic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      azure.tags.name.0 = env
      azure.tags.value.0 = prod
      azure.vm.location.0 = northeurope
      azure.vm.name.0 = db1
      azure.vm.privateIpAddress.0 = 10.1.0.4
      azure.vm.publicIpAddress.0 = 203.0.113.5
      azure.vm.resourceGroupName.0 = rg
      azure.vm.size.0 = Standard_B2s
      azure.vm.state.0 = DEALLOCATED
      azure.vm.subscriptionId.0 = bbbbbbbb-0000-0000-0000-000000000002
      azure.vm.vmId.0 = db1-0000
      connectors.name.0 = lab
      interfaces.address.0 = 10.1.0.4
      interfaces.address.0 = 203.0.113.5
      name.0 = db1
      provider.0 = AZURE
      trackingMethod.0 = VIRTUAL_MACHINE_ID
    asset set1-0 set1_0 in lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances
      interface /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/set1/virtualMachines/0/networkInterfaces/n in -
        10.0.1.4 Private Primary -
        203.0.113.9 Public Automatic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      azure.vm.location.0 = westus
      azure.vm.macAddress.0 = 00-0D-3A-00-00-01
      azure.vm.name.0 = set1_0
      azure.vm.privateIpAddress.0 = 10.0.1.4
      azure.vm.publicIpAddress.0 = 203.0.113.9
      azure.vm.resourceGroupName.0 = rg
      azure.vm.size.0 = Standard_B1s
      azure.vm.state.0 = RUNNING
      azure.vm.subscriptionId.0 = aaaaaaaa-0000-0000-0000-000000000001
      azure.vm.vmId.0 = set1-0
      connectors.name.0 = lab
      interfaces.address.0 = 10.0.1.4
      interfaces.address.0 = 203.0.113.9
      interfaces.macAddress.0 = 00-0D-3A-00-00-01
      name.0 = set1_0
      provider.0 = AZURE
      trackingMethod.0 = VIRTUAL_MACHINE_ID
    balancer 203.0.113.6 internet-facing active=true [203.0.113.6] in lab/aaaaaaaa-0000-0000-0000-000000000001/westus/load-balancers
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instances: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/instances: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/northeurope/instances: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/interfaces: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/interfaces: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/interfaces: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/northeurope/interfaces: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/addresses: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/addresses: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/addresses: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/northeurope/addresses: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/load-balancers: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/load-balancers: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/load-balancers: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instance-view: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/instance-view: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instance-view: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/northeurope/instance-view: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/northeurope/load-balancers: complete
    advice P0362 aaaaaaaa-0000-0000-0000-000000000001/-/addresses: `front-ip` fronts a load balancer and has no DNS name; its address stands for it
    calls - Microsoft.ResourceGraph/resources/read: 7, throttled 1
    calls aaaaaaaa-0000-0000-0000-000000000001 Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read: 1, throttled 0
    calls aaaaaaaa-0000-0000-0000-000000000001 Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read: 1, throttled 0
    calls aaaaaaaa-0000-0000-0000-000000000001 Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read: 1, throttled 0
    calls aaaaaaaa-0000-0000-0000-000000000001 Microsoft.Compute/virtualMachines/read: 1, throttled 0
    calls bbbbbbbb-0000-0000-0000-000000000002 Microsoft.Compute/virtualMachines/read: 2, throttled 0
    "#);
    let tokens = server.asked().iter().filter(|a| a.line() == "POST /tenant/oauth2/v2.0/token").count();
    assert_eq!(tokens, 2, "one token, and one after it was refused");
}

#[test]
fn addresses_are_confirmed_by_their_own_resource() {
    let nic = |name: &str| id(A, "Microsoft.Network/networkInterfaces", name);
    let (ours, theirs) =
        (format!("{}/ipConfigurations/c", nic("web1-nic")), format!("{}/ipConfigurations/c", nic("other-nic")));
    let front = id(A, "Microsoft.Network/loadBalancers", "lb1/frontendIPConfigurations/f");
    let server = Server::start(move |asked, _| {
        if asked.target.contains("/oauth2/") {
            return token(1);
        }
        let path = asked.target.split('?').next().unwrap();
        let at = |name: &str| id(A, "Microsoft.Network/publicIPAddresses", name) == path;
        if path == "/providers/Microsoft.ResourceGraph/resources" {
            let list = "in ('203.0.113.4', '203.0.113.5', '203.0.113.6', '203.0.113.7', '203.0.113.8', '203.0.113.10')";
            assert!(asked.body.contains(list), "{}", asked.body);
            let all = [
                pip(A, "front", "westus", "203.0.113.10", &front),
                pip(A, "a", "westus", "203.0.113.4", &ours),
                pip(A, "b", "westus", "203.0.113.5", &ours),
                pip(A, "c", "westus", "203.0.113.6", &ours),
                pip(A, "d", "westus", "203.0.113.7", &ours),
            ];
            rows(&all, 5, "")
        } else if at("front-ip") {
            Answer::ok(pip(A, "front", "westus", "203.0.113.10", &front))
        } else if at("a-ip") {
            Answer::ok(pip(A, "a", "westus", "203.0.113.4", &ours))
        } else if at("b-ip") {
            Answer::ok(pip(A, "b", "westus", "203.0.113.5", &theirs))
        } else if at("c-ip") {
            Answer::status(404, r#"{"error":{"code":"ResourceNotFound","message":"gone"}}"#)
        } else if at("d-ip") {
            refused()
        } else if path.ends_with("/networkInterfaces/web1-nic") {
            Answer::ok(super::azure::nic(A, "web1", "westus", "10.0.0.4"))
        } else if at("web1-ip") {
            Answer::ok(pip(A, "web1", "westus", "203.0.113.99", &ours))
        } else {
            Answer::status(404, "")
        }
    });
    let interface = nic("web1-nic");
    let claim = |addr: &str| Claim {
        asset: "web1-0000".into(),
        interface: interface.as_str().into(),
        account: A.into(),
        region: "westus".into(),
        addr: addr.parse().unwrap(),
    };
    let mut claims: Vec<Claim> =
        ["203.0.113.4", "203.0.113.5", "203.0.113.6", "203.0.113.7", "203.0.113.8", "10.0.0.4"].map(claim).into();
    let balancer = id(A, "Microsoft.Network/publicIPAddresses", "front-ip");
    claims.push(Claim { asset: balancer.as_str().into(), interface: "".into(), ..claim("203.0.113.10") });
    let told = connector(&server, Some(&[A])).confirm(&claims);
    let lines: Vec<String> = claims.iter().zip(told).map(|(c, o)| format!("{}: {o:?}", c.addr)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    203.0.113.4: Confirmed
    203.0.113.5: Lost("203.0.113.5 belongs to `other-nic`")
    203.0.113.6: Lost("the public address `c-ip` is gone")
    203.0.113.7: Unknown("AuthorizationFailed: The client does not have authorization.")
    203.0.113.8: Lost("the interface `web1-nic` does not have 203.0.113.8 any more")
    10.0.0.4: Confirmed
    203.0.113.10: Confirmed
    "#);
}

#[test]
fn rights_are_tried_one_by_one() {
    let server = Server::start(|asked, _| {
        if asked.target.contains("/oauth2/") {
            return token(1);
        }
        match asked.target.split('?').next().unwrap().rsplit('/').next().unwrap() {
            "resources" => rows(&[], 0, ""),
            "loadBalancers" => refused(),
            "virtualMachineScaleSets" => Answer::ok(format!(
                r#"{{"value":[{{"id":"{}"}}]}}"#,
                id(A, "Microsoft.Compute/virtualMachineScaleSets", "set1")
            )),
            _ => Answer::ok(r#"{"value":[]}"#),
        }
    });
    let azure = connector(&server, Some(&[A]));
    let lines: Vec<String> = azure
        .permissions()
        .iter()
        .map(|p| format!("{} in {} for {}: {}", p.name, p.place, p.need, p.refused.as_deref().unwrap_or("granted")))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    Microsoft.ResourceGraph/resources/read in all subscriptions for reading many subscriptions at once: granted
    Microsoft.Compute/virtualMachines/read in subscription aaaaaaaa-0000-0000-0000-000000000001 for machines and their power states: granted
    Microsoft.Compute/virtualMachineScaleSets/read in subscription aaaaaaaa-0000-0000-0000-000000000001 for scale sets: granted
    Microsoft.Network/networkInterfaces/read in subscription aaaaaaaa-0000-0000-0000-000000000001 for interfaces and private addresses: granted
    Microsoft.Network/publicIPAddresses/read in subscription aaaaaaaa-0000-0000-0000-000000000001 for public addresses, and their ownership before a packet: granted
    Microsoft.Network/loadBalancers/read in subscription aaaaaaaa-0000-0000-0000-000000000001 for load balancers: AuthorizationFailed: The client does not have authorization.
    Microsoft.Network/applicationGateways/read in subscription aaaaaaaa-0000-0000-0000-000000000001 for application gateways: granted
    Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read in subscription aaaaaaaa-0000-0000-0000-000000000001 for machines of scale sets: granted
    Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read in subscription aaaaaaaa-0000-0000-0000-000000000001 for interfaces of scale sets: granted
    Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read in subscription aaaaaaaa-0000-0000-0000-000000000001 for public addresses of scale sets: granted
    "#);
    insta::assert_snapshot!(azure.policy_document(), @r#"
    {
      "Actions": [
        "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
        "Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read",
        "Microsoft.Compute/virtualMachineScaleSets/read",
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
        "Microsoft.Compute/virtualMachines/read",
        "Microsoft.Network/applicationGateways/read",
        "Microsoft.Network/loadBalancers/read",
        "Microsoft.Network/networkInterfaces/read",
        "Microsoft.Network/publicIPAddresses/read",
        "Microsoft.ResourceGraph/resources/read"
      ],
      "AssignableScopes": [
        "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001"
      ],
      "DataActions": [],
      "Description": "Reads machines, interfaces, public addresses and load balancers.",
      "IsCustom": true,
      "Name": "Palisade inventory reader",
      "NotActions": [],
      "NotDataActions": []
    }
    "#);
}
