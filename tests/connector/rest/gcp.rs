//! Google's cloud: whole syncs, faults, confirmation of addresses, rights.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use palisade::base::clock::SystemClock;
use palisade::base::limits::Limits;
use palisade::base::progress::{Silent, Stop};
use palisade::connector::live::gcp::{Gcp, GcpConfig};
use palisade::connector::live::secret::Secret;
use palisade::connector::live::{Claim, Live};

use super::azure::{SECRET, states, text};
use super::server::{Answer, Asked, Server};

/// A connector that asks the server and nobody else.
fn connector(server: &Server, projects: &[&str]) -> Gcp {
    let file = format!(
        r#"{{"type":"authorized_user","client_id":"id","client_secret":"{SECRET}","refresh_token":"{SECRET}","token_uri":"{}/token"}}"#,
        server.url
    );
    let config = GcpConfig {
        projects: projects.iter().map(|p| (*p).to_owned()).collect(),
        credentials: Some(Secret::new(file)),
        endpoint: Some(server.url.clone()),
        call_budget_percent: 100,
    };
    Gcp::new(config, &Limits::default(), Arc::new(SystemClock::default()), 1).unwrap()
}

fn token(n: u32) -> Answer {
    let body = format!(r#"{{"access_token":"token-{n}","expires_in":3599,"token_type":"Bearer"}}"#);
    Answer { headers: vec![("content-type", "application/json".to_owned())], ..Answer::ok(body) }
}

fn instance(project: &str, id: u32, zone: &str, addr: &str) -> String {
    let link = format!("https://www.googleapis.com/compute/v1/projects/{project}/zones/{zone}");
    format!(
        r#"{{"kind":"compute#instance","id":"{id}","name":"vm-{id}","status":"RUNNING","zone":"{link}","machineType":"{link}/machineTypes/e2-small","selfLink":"{link}/instances/vm-{id}",
        "labels":{{"env":"prod"}},"networkInterfaces":[{{"name":"nic0","network":"https://x/projects/{project}/global/networks/default","networkIP":"10.0.0.{id}","accessConfigs":[{{"natIP":"{addr}"}}]}}]}}"#
    )
}

/// A page of an aggregated list: scopes with their content, and what stands beside them.
fn page(project: &str, list: &str, items: &[(&str, String)], more: &str) -> Answer {
    let items: Vec<String> = items.iter().map(|(scope, content)| format!("\"{scope}\":{{{content}}}")).collect();
    let kind = if list == "instances" {
        "instance"
    } else if list == "addresses" {
        "address"
    } else {
        "forwardingRule"
    };
    Answer::ok(format!(
        r#"{{"kind":"compute#{kind}AggregatedList","id":"projects/{project}/aggregated/{list}","items":{{{}}}{more}}}"#,
        items.join(",")
    ))
}

fn none(project: &str, list: &str) -> Answer {
    page(project, list, &[("global", r#""warning":{"code":"NO_RESULTS_ON_PAGE"}"#.into())], "")
}

/// Project and list of a request.
fn asked_for(asked: &Asked) -> (String, String) {
    let parts: Vec<&str> = asked.target.split('?').next().unwrap().split('/').collect();
    assert_eq!(
        (parts[1], parts[2], parts[3], parts[5]),
        ("compute", "v1", "projects", "aggregated"),
        "{}",
        asked.target
    );
    (parts[4].to_owned(), parts[6].to_owned())
}

fn instances(list: &[String]) -> String {
    format!("\"instances\":[{}]", list.join(","))
}

#[test]
fn two_projects_with_everything() {
    let (tokens, throttled) = (AtomicU32::new(0), AtomicU32::new(0));
    let server = Server::start(move |asked, _| {
        if asked.target == "/token" {
            return token(tokens.fetch_add(1, Ordering::SeqCst) + 1);
        }
        assert!(asked.target.contains("returnPartialSuccess=true") && asked.target.contains("maxResults=500"));
        let (project, list) = asked_for(asked);
        let link = |rest: &str| format!("https://x/projects/{project}/{rest}");
        match (&*project, &*list, asked.target.contains("pageToken=a%2Fb")) {
            ("p1", "instances", false) => page(
                "p1",
                "instances",
                &[("zones/us-central1-a", instances(&[instance("p1", 1, "us-central1-a", "198.51.100.1")]))],
                r#","nextPageToken":"a/b""#,
            ),
            ("p1", "instances", true) if throttled.fetch_add(1, Ordering::SeqCst) == 0 => {
                let body = r#"{"error":{"code":403,"message":"Rate Limit Exceeded","errors":[{"reason":"rateLimitExceeded"}]}}"#;
                Answer { headers: vec![("retry-after", "0".into())], ..Answer::status(403, body) }
            }
            ("p1", "instances", true) => page(
                "p1",
                "instances",
                &[
                    ("zones/europe-west1-b", instances(&[instance("p1", 2, "europe-west1-b", "198.51.100.2")])),
                    (
                        "zones/asia-east1-a",
                        r#""warning":{"code":"UNREACHABLE","message":"The zone did not answer."}"#.into(),
                    ),
                ],
                r#","unreachables":["projects/p1/zones/us-central1-f"]"#,
            ),
            ("p1", "forwardingRules", _) if asked.token == "token-1" => Answer::status(
                401,
                r#"{"error":{"code":401,"message":"Invalid Credentials","status":"UNAUTHENTICATED"}}"#,
            ),
            ("p1", "forwardingRules", _) => {
                let rule = format!(
                    r#""forwardingRules":[{{"kind":"compute#forwardingRule","id":"77","name":"web","IPAddress":"198.51.100.80","loadBalancingScheme":"EXTERNAL_MANAGED","selfLink":"{}"}}]"#,
                    link("global/forwardingRules/web")
                );
                page("p1", &list, &[("global", rule)], "")
            }
            ("p1", "addresses", _) => {
                let address = format!(
                    r#""addresses":[{{"kind":"compute#address","id":"88","address":"198.51.100.2","addressType":"EXTERNAL","region":"{}"}}]"#,
                    link("regions/europe-west1")
                );
                page("p1", &list, &[("regions/europe-west1", address)], "")
            }
            (project, list, _) => none(project, list),
        }
    });
    let fetched = connector(&server, &["p1", "p2"]).fetch(&Silent, &Stop::default());
    insta::assert_snapshot!(text(fetched), @r#"
    asset 1 vm-1 in lab/p1/us-central1/instances
      interface nic0 in projects/p1/global/networks/default
        10.0.0.1 Private Primary -
        198.51.100.1 Public Automatic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      connectors.name.0 = lab
      gcp.compute.hostname.0 = vm-1
      gcp.compute.instanceId.0 = 1
      gcp.compute.machineType.0 = e2-small
      gcp.compute.network.0 = default
      gcp.compute.privateIpAddress.0 = 10.0.0.1
      gcp.compute.projectId.0 = p1
      gcp.compute.publicIpAddress.0 = 198.51.100.1
      gcp.compute.state.0 = RUNNING
      gcp.compute.zone.0 = us-central1-a
      gcp.tags.key.0 = env
      gcp.tags.value.0 = prod
      interfaces.address.0 = 10.0.0.1
      interfaces.address.0 = 198.51.100.1
      name.0 = vm-1
      provider.0 = GCP
      trackingMethod.0 = GCP_INSTANCE_ID
    asset 2 vm-2 in lab/p1/europe-west1/instances
      interface nic0 in projects/p1/global/networks/default
        10.0.0.2 Private Primary -
        198.51.100.2 Public Elastic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      connectors.name.0 = lab
      gcp.compute.hostname.0 = vm-2
      gcp.compute.instanceId.0 = 2
      gcp.compute.machineType.0 = e2-small
      gcp.compute.network.0 = default
      gcp.compute.privateIpAddress.0 = 10.0.0.2
      gcp.compute.projectId.0 = p1
      gcp.compute.publicIpAddress.0 = 198.51.100.2
      gcp.compute.state.0 = RUNNING
      gcp.compute.zone.0 = europe-west1-b
      gcp.tags.key.0 = env
      gcp.tags.value.0 = prod
      interfaces.address.0 = 10.0.0.2
      interfaces.address.0 = 198.51.100.2
      name.0 = vm-2
      provider.0 = GCP
      trackingMethod.0 = GCP_INSTANCE_ID
    balancer 198.51.100.80 internet-facing active=true [198.51.100.80] in lab/p1/-/load-balancers
    partition lab/p1/-/instances: complete
    partition lab/p1/us-central1/instances: partly read: denied: zone us-central1-f: UNREACHABLE
    partition lab/p1/us-central1/interfaces: complete
    partition lab/p1/us-central1/addresses: complete
    partition lab/p1/europe-west1/instances: complete
    partition lab/p1/europe-west1/interfaces: complete
    partition lab/p1/europe-west1/addresses: complete
    partition lab/p1/asia-east1/instances: denied: zone asia-east1-a: UNREACHABLE: The zone did not answer.
    partition lab/p1/-/interfaces: complete
    partition lab/p1/-/load-balancers: complete
    partition lab/p1/-/addresses: complete
    partition lab/p2/-/instances: complete
    partition lab/p2/-/interfaces: complete
    partition lab/p2/-/load-balancers: complete
    partition lab/p2/-/addresses: complete
    partition lab/p1/us-central1/load-balancers: complete
    partition lab/p1/europe-west1/load-balancers: complete
    partition lab/p1/asia-east1/load-balancers: complete
    warning P0358 p1/-/instances document 2.body.items["zones/asia-east1-a"].warning: the provider warns: UNREACHABLE: The zone did not answer.
    calls p1 compute.addresses.list: 1, throttled 0
    calls p1 compute.forwardingRules.list: 2, throttled 0
    calls p1 compute.instances.list: 3, throttled 1
    calls p2 compute.addresses.list: 1, throttled 0
    calls p2 compute.forwardingRules.list: 1, throttled 0
    calls p2 compute.instances.list: 1, throttled 0
    "#);
    assert_eq!(
        server.asked().iter().filter(|a| a.target == "/token").count(),
        2,
        "one token, and one after it was refused"
    );
}

/// One machine in `p1`, unless `fault` has another answer.
fn sync(projects: &[&str], fault: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> String {
    let server = Server::start(move |asked, _| {
        if let Some(answer) = fault(asked) {
            return answer;
        }
        if asked.target == "/token" {
            return token(1);
        }
        let (project, list) = asked_for(asked);
        if list == "instances" {
            let zone = instances(&[instance(&project, 1, "us-central1-a", "198.51.100.1")]);
            return page(&project, "instances", &[("zones/us-central1-a", zone)], "");
        }
        none(&project, &list)
    });
    states(connector(&server, projects).fetch(&Silent, &Stop::default()))
}

#[test]
fn a_refused_project_is_a_gap_and_the_other_is_read() {
    let text = sync(&["p1", "p2"], |asked| {
        asked.target.contains("/projects/p2/").then(|| {
            let body = r#"{"error":{"code":403,"message":"Required 'compute.instances.list' permission for 'projects/p2'","errors":[{"reason":"forbidden"}]}}"#;
            Answer::status(403, body)
        })
    });
    insta::assert_snapshot!(text, @r#"
    asset 1 vm-1 in lab/p1/us-central1/instances
    partition lab/p1/-/instances: complete
    partition lab/p1/us-central1/instances: complete
    partition lab/p1/us-central1/interfaces: complete
    partition lab/p1/us-central1/addresses: complete
    partition lab/p1/-/interfaces: complete
    partition lab/p1/-/load-balancers: complete
    partition lab/p1/-/addresses: complete
    partition lab/p2/-/instances: denied: forbidden: Required 'compute.instances.list' permission for 'projects/p2'
    partition lab/p2/-/interfaces: denied: forbidden: Required 'compute.instances.list' permission for 'projects/p2'
    partition lab/p2/-/load-balancers: denied: forbidden: Required 'compute.instances.list' permission for 'projects/p2'
    partition lab/p2/-/addresses: denied: forbidden: Required 'compute.instances.list' permission for 'projects/p2'
    partition lab/p1/us-central1/load-balancers: complete
    "#);
}

#[test]
fn a_second_page_that_does_not_come_leaves_every_region_partly_read() {
    let first = || {
        let zone = instances(&[instance("p1", 1, "us-central1-a", "198.51.100.1")]);
        page("p1", "instances", &[("zones/us-central1-a", zone)], r#","nextPageToken":"two""#)
    };
    for second in [
        Answer::ok(r#"{"kind":"compute#instanceAggregatedList","items":{"zones/us"#),
        Answer::ok("[]"),
        Answer::ok("{}"),
        Answer::ok(r#"["compute#instanceAggregatedList",null]"#),
        Answer::ok(r#"{"nextPageToken":{}}"#),
        Answer::ok("[".repeat(100_000)),
        Answer::status(302, ""),
        first(),
    ] {
        let shown = second.body.chars().take(40).collect::<String>();
        let text = sync(&["p1"], move |asked| {
            let list = asked.target.contains("/aggregated/instances");
            list.then(|| if asked.target.contains("pageToken=two") { second.clone() } else { first() })
        });
        for kind in ["instances", "interfaces"] {
            assert!(text.contains(&format!("/us-central1/{kind}: partly read: ")), "{shown}: {text}");
            assert!(text.contains(&format!("/-/{kind}: partly read: ")), "{shown}: {text}");
        }
        assert!(text.contains("asset 1 vm-1"), "{shown}: {text}");
    }
}

#[test]
fn records_of_wrong_types_cost_themselves_and_leave_a_gap() {
    let text = sync(&["p1"], |asked| {
        asked.target.contains("/aggregated/instances").then(|| {
            let good = instance("p1", 1, "us-central1-a", "198.51.100.1");
            let bad = r#"{"kind":"compute#instance","id":{},"zone":7},"text",{"id":"9","kind":"compute#instance","networkInterfaces":"x"}"#;
            page("p1", "instances", &[("zones/us-central1-a", format!("\"instances\":[{good},{bad}]")), ("zones/x", "\"instances\":7".into())], "")
        })
    });
    insta::assert_snapshot!(text, @r#"
    asset 1 vm-1 in lab/p1/us-central1/instances
    partition lab/p1/-/instances: complete
    partition lab/p1/us-central1/instances: partly read: 3 records dropped
    partition lab/p1/us-central1/interfaces: complete
    partition lab/p1/us-central1/addresses: complete
    partition lab/p1/-/interfaces: complete
    partition lab/p1/-/load-balancers: complete
    partition lab/p1/-/addresses: complete
    partition lab/p1/us-central1/load-balancers: complete
    "#);
}

#[test]
fn without_a_token_nothing_is_said_to_be_empty() {
    let text = sync(&["p1"], |asked| {
        (asked.target == "/token").then(|| {
            Answer::status(400, r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#)
        })
    });
    insta::assert_snapshot!(text, @r#"
    partition lab/p1/-/instances: denied: no token: invalid_grant: Token has been expired or revoked.
    partition lab/p1/-/load-balancers: denied: no token: invalid_grant: Token has been expired or revoked.
    partition lab/p1/-/addresses: denied: no token: invalid_grant: Token has been expired or revoked.
    partition lab/p1/-/interfaces: denied: no token: invalid_grant: Token has been expired or revoked.
    failed: no call was made: no token: invalid_grant: Token has been expired or revoked.
    "#);
    assert!(!text.contains(SECRET));
}

#[test]
fn credentials_that_are_none() {
    let server = Server::start(|_, _| panic!("nobody should ask"));
    for (file, why) in [
        (
            "{\"type\":\"service_account\",\"private_key\":\"hidden words\"}",
            "`credentials` of type `service_account` are not complete",
        ),
        ("{\"type\":\"x\",\"key\":\"hidden words\"}", "`credentials` has no known `type`"),
        ("hidden words", "`credentials` is not JSON: line 1, column 1"),
    ] {
        let config = GcpConfig {
            projects: vec!["p1".into()],
            credentials: Some(Secret::new(file.into())),
            endpoint: Some(server.url.clone()),
            call_budget_percent: 100,
        };
        let gcp = Gcp::new(config, &Limits::default(), Arc::new(SystemClock::default()), 1).unwrap();
        let text = text(gcp.fetch(&Silent, &Stop::default()));
        assert!(text.contains(&format!("failed: no call was made: no token: {why}")), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[test]
fn addresses_are_confirmed_together() {
    let server = Server::start(|asked, _| {
        if asked.target == "/token" {
            return token(1);
        }
        let (project, list) = asked_for(asked);
        if project == "p2" {
            return Answer::status(403, r#"{"error":{"code":403,"message":"no"}}"#);
        }
        if list == "forwardingRules" {
            assert!(asked.target.ends_with("&filter=%28id%20%3D%2077%29"), "{}", asked.target);
            let rule = r#""forwardingRules":[{"id":"77","IPAddress":"198.51.100.80"}]"#;
            return page("p1", &list, &[("global", rule.into())], "");
        }
        assert!(
            asked.target.ends_with("&filter=%28id%20%3D%201%29%20OR%20%28id%20%3D%202%29%20OR%20%28id%20%3D%203%29"),
            "{}",
            asked.target
        );
        let all =
            [instance("p1", 1, "us-central1-a", "198.51.100.1"), instance("p1", 2, "us-central1-a", "198.51.100.22")];
        page("p1", &list, &[("zones/us-central1-a", instances(&all))], "")
    });
    let claim = |project: &str, asset: &str, interface: &str, addr: &str| Claim {
        asset: asset.into(),
        interface: interface.into(),
        account: project.into(),
        region: "us-central1".into(),
        addr: addr.parse().unwrap(),
    };
    let claims = [
        claim("p1", "1", "nic0", "198.51.100.1"),
        claim("p1", "77", "", "198.51.100.80"),
        claim("p1", "2", "nic0", "198.51.100.2"),
        claim("p1", "1", "nic1", "10.0.0.1"),
        claim("p2", "1", "nic0", "198.51.100.1"),
        claim("p1", "3", "nic0", "198.51.100.3"),
        claim("", "vm", "nic0", "198.51.100.3"),
    ];
    let told = connector(&server, &["p1"]).confirm(&claims);
    let lines: Vec<String> =
        claims.iter().zip(told).map(|(c, o)| format!("{} {} {}: {o:?}", c.account, c.asset, c.addr)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    p1 1 198.51.100.1: Confirmed
    p1 77 198.51.100.80: Confirmed
    p1 2 198.51.100.2: Lost("`2` does not have 198.51.100.2 any more")
    p1 1 10.0.0.1: Lost("10.0.0.1 is on `nic0` now")
    p2 1 198.51.100.1: Unknown("403: no")
    p1 3 198.51.100.3: Lost("`3` is gone")
     vm 198.51.100.3: Unknown("the claim names no instance of a project")
    "#);
}

#[test]
fn rights_are_tried_one_by_one() {
    let server = Server::start(|asked, _| {
        if asked.target == "/token" {
            return token(1);
        }
        let (project, list) = asked_for(asked);
        if list == "addresses" {
            return Answer::status(
                403,
                r#"{"error":{"code":403,"message":"Required 'compute.addresses.list' permission","status":"PERMISSION_DENIED"}}"#,
            );
        }
        none(&project, &list)
    });
    let gcp = connector(&server, &["p1"]);
    let lines: Vec<String> = gcp
        .permissions()
        .iter()
        .map(|p| format!("{} in {} for {}: {}", p.name, p.place, p.need, p.refused.as_deref().unwrap_or("granted")))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    compute.instances.list in project p1 for machines, and their addresses before a packet: granted
    compute.forwardingRules.list in project p1 for load balancers: granted
    compute.addresses.list in project p1 for reserved addresses: PERMISSION_DENIED: Required 'compute.addresses.list' permission
    "#);
    insta::assert_snapshot!(gcp.policy_document(), @r#"
    {
      "description": "Lists machines, forwarding rules and addresses.",
      "includedPermissions": [
        "compute.addresses.list",
        "compute.forwardingRules.list",
        "compute.globalAddresses.list",
        "compute.globalForwardingRules.list",
        "compute.instances.list"
      ],
      "stage": "GA",
      "title": "Palisade inventory reader"
    }
    "#);
}
