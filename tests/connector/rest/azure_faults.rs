//! Azure: what goes wrong never looks like an empty inventory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use palisade::base::clock::SystemClock;
use palisade::base::limits::Limits;
use palisade::base::progress::{Silent, Stop};
use palisade::connector::live::Live;
use palisade::connector::live::azure::{Azure, AzureConfig};
use palisade::connector::live::azure_token::AzureIdentity;

use super::azure::{A, B, SECRET, connector, id, kind, limited, nic, pip, refused, rows, states, token, views, vm};
use super::server::{Answer, Asked, Server};

/// One machine in subscription A and one in B, unless `fault` has another answer.
fn sync(
    subscriptions: Option<&[&str]>,
    fault: impl Fn(&Asked, &str) -> Option<Answer> + Send + Sync + 'static,
) -> String {
    let server = Server::start(move |asked, base| fault(asked, base).unwrap_or_else(|| sound(asked)));
    states(connector(&server, subscriptions).fetch(&Silent, &Stop::default()))
}

fn sound(asked: &Asked) -> Answer {
    if asked.target.contains("/oauth2/") {
        return token(1);
    }
    let in_scope = |s: &str| asked.body.contains(s);
    let two = |a: String, b: String| {
        let all: Vec<String> = [(A, a), (B, b)].into_iter().filter(|(s, _)| in_scope(s)).map(|(_, row)| row).collect();
        rows(&all, all.len(), "")
    };
    if is_graph(asked) {
        return match kind(asked) {
            "virtualmachines" => two(vm(A, "web1", "westus"), vm(B, "db1", "northeurope")),
            "networkinterfaces" => two(nic(A, "web1", "westus", "10.0.0.4"), nic(B, "db1", "northeurope", "10.1.0.4")),
            "publicipaddresses" => {
                two(pip(A, "web1", "westus", "203.0.113.4", "c"), pip(B, "db1", "northeurope", "203.0.113.5", "c"))
            }
            _ => rows(&[], 0, ""),
        };
    }
    if asked.target.contains(A) {
        views(A, &[("web1", "westus", "running")])
    } else {
        views(B, &[("db1", "northeurope", "running")])
    }
}

fn is_graph(asked: &Asked) -> bool {
    asked.target.starts_with("/providers/Microsoft.ResourceGraph/")
}

fn is_states_of(asked: &Asked, subscription: &str) -> bool {
    asked.target.starts_with(&format!("/subscriptions/{subscription}/providers/Microsoft.Compute/virtualMachines?"))
}

const BOTH: Option<&[&str]> = Some(&[A, B]);

#[test]
fn a_refused_subscription_is_a_gap_and_the_other_is_read() {
    let text =
        sync(BOTH, |asked, _| ((is_graph(asked) && asked.body.contains(B)) || is_states_of(asked, B)).then(refused));
    insta::assert_snapshot!(text, @r#"
    asset web1-0000 web1 in lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instances: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/instances: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/interfaces: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/interfaces: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/interfaces: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/addresses: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/addresses: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/addresses: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/load-balancers: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/load-balancers: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instance-view: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/instance-view: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instance-view: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/load-balancers: complete
    "#);
}

#[test]
fn what_is_passed_over_in_silence_is_not_taken_for_empty() {
    let text = sync(BOTH, |asked, _| {
        if is_states_of(asked, B) {
            return Some(refused());
        }
        is_graph(asked).then(|| match kind(asked) {
            "virtualmachines" => rows(&[vm(A, "web1", "westus")], 1, ""),
            "networkinterfaces" => rows(&[nic(A, "web1", "westus", "10.0.0.4")], 1, ""),
            "publicipaddresses" => rows(&[pip(A, "web1", "westus", "203.0.113.4", "c")], 1, ""),
            _ => rows(&[], 0, ""),
        })
    });
    insta::assert_snapshot!(text, @r#"
    asset web1-0000 web1 in lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instances: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/instances: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/interfaces: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/interfaces: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/interfaces: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/addresses: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/addresses: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/addresses: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/load-balancers: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/load-balancers: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instance-view: complete
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/instance-view: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instance-view: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/load-balancers: complete
    "#);
}

#[test]
fn a_machine_that_only_the_states_name_is_not_lost() {
    let text = sync(Some(&[A]), |asked, _| {
        is_states_of(asked, A).then(|| views(A, &[("web1", "westus", "running"), ("web2", "westus", "running")]))
    });
    insta::assert_snapshot!(text, @r#"
    asset web1-0000 web1 in lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances
    asset web2-0000 web2 in lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instances: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/interfaces: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/interfaces: partly read: interfaces are referred to and not recorded: 1, such as `those of web2`
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/addresses: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/addresses: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/load-balancers: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instance-view: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instance-view: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/load-balancers: complete
    "#);
}

#[test]
fn a_second_page_that_does_not_come_leaves_every_region_partly_read() {
    let first = || rows(&[vm(A, "web1", "westus"), vm(B, "db1", "northeurope")], 5, "two");
    for second in [
        Answer::ok(r#"{"totalRecords":5,"data":[{"id":"/subscr"#),
        Answer::ok("[]"),
        Answer::ok("{}"),
        Answer::ok("null"),
        Answer::ok(r#"{"totalRecords":-1,"data":7}"#),
        Answer::ok("[".repeat(100_000)),
        Answer::status(302, ""),
        first(),
    ] {
        let shown = second.body.chars().take(40).collect::<String>();
        let text = sync(BOTH, move |asked, _| {
            let page = is_graph(asked) && kind(asked) == "virtualmachines";
            page.then(|| if asked.body.contains("\"$skipToken\":\"two\"") { second.clone() } else { first() })
        });
        let lines: Vec<&str> = text.lines().filter(|l| l.contains("/instances: ")).collect();
        assert_eq!(lines.len(), 4, "{shown}: {text}");
        assert!(lines.iter().all(|l| l.contains(": partly read: ")), "{shown}: {text}");
        assert!(text.contains("asset web1-0000") && text.contains("asset db1-0000"), "{shown}: {text}");
    }
}

#[test]
fn rows_that_are_counted_and_not_given_are_missed() {
    let text = sync(Some(&[A]), |asked, _| {
        (is_graph(asked) && kind(asked) == "virtualmachines").then(|| rows(&[vm(A, "web1", "westus")], 3, ""))
    });
    assert!(text.contains("/westus/instances: partly read: Resource Graph counts 3 rows and gave 1\n"), "{text}");
}

#[test]
fn a_body_that_breaks_off_is_asked_for_again() {
    let broken = AtomicU32::new(0);
    let whole = sync(Some(&[A]), |_, _| None);
    let text = sync(Some(&[A]), move |asked, _| {
        let page = is_graph(asked) && kind(asked) == "virtualmachines";
        (page && broken.fetch_add(1, Ordering::SeqCst) == 0).then(|| Answer { cut: Some(30), ..sound(asked) })
    });
    assert_eq!(text, whole);
}

#[test]
fn a_page_on_another_host_is_not_asked() {
    let text = sync(Some(&[A]), |asked, _| {
        is_states_of(asked, A).then(|| {
            let more = r#","nextLink":"https://example.com/page2"}"#;
            Answer::ok(views(A, &[("web1", "westus", "running")]).body.trim_end_matches('}').to_owned() + more)
        })
    });
    assert!(
        text.contains(
            "/-/instance-view: partly read: the next page is said to be on another host, which was not asked\n"
        ),
        "{text}"
    );
}

#[test]
fn a_scale_set_that_is_refused_makes_its_region_partly_read() {
    let set = format!(
        r#"{{"id":"{}","name":"set1","type":"microsoft.compute/virtualmachinescalesets","location":"westus","sku":{{"capacity":2}},"properties":{{}}}}"#,
        id(A, "Microsoft.Compute/virtualMachineScaleSets", "set1")
    );
    let text = sync(Some(&[A]), move |asked, _| {
        if asked.target.contains("/virtualMachineScaleSets/set1/") {
            return Some(refused());
        }
        (is_graph(asked) && kind(asked) == "virtualmachines")
            .then(|| rows(&[vm(A, "web1", "westus"), set.clone()], 2, ""))
    });
    insta::assert_snapshot!(text, @r#"
    asset web1-0000 web1 in lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instances: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances: partly read: scale set `set1`: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/interfaces: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/interfaces: partly read: scale set `set1`: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/addresses: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/addresses: partly read: scale set `set1`: AuthorizationFailed: The client does not have authorization.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/load-balancers: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instance-view: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instance-view: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/load-balancers: complete
    "#);
}

#[test]
fn without_a_token_nothing_is_said_to_be_empty() {
    let text = sync(BOTH, |asked, _| {
        asked.target.contains("/oauth2/").then(|| {
            let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}"#;
            Answer::status(401, body)
        })
    });
    insta::assert_snapshot!(text, @r#"
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instances: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/interfaces: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/addresses: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/load-balancers: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instance-view: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/instances: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/interfaces: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/addresses: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/load-balancers: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    partition lab/bbbbbbbb-0000-0000-0000-000000000002/-/instance-view: denied: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    failed: no call was made: no token: ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided.
    "#);
    assert!(!text.contains(SECRET));
}

#[test]
fn all_subscriptions_over_two_pages() {
    let text = sync(None, |asked, base| {
        asked.target.starts_with("/subscriptions?").then(|| {
            if asked.target.contains("page=2") {
                return Answer::ok(format!(r#"{{"value":[{{"subscriptionId":"{}"}}]}}"#, B.to_ascii_uppercase()));
            }
            Answer::ok(format!(
                r#"{{"value":[{{"subscriptionId":"{A}"}}],"nextLink":"{base}{}&page=2"}}"#,
                asked.target
            ))
        })
    });
    assert!(text.contains("asset web1-0000") && text.contains("asset db1-0000"), "{text}");
    let refused_list = sync(None, |asked, _| asked.target.starts_with("/subscriptions?").then(refused));
    insta::assert_snapshot!(refused_list, @r#"
    partition lab/-/-/instances: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/-/-/interfaces: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/-/-/addresses: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/-/-/load-balancers: denied: AuthorizationFailed: The client does not have authorization.
    partition lab/-/-/instance-view: denied: AuthorizationFailed: The client does not have authorization.
    failed: the subscriptions cannot be listed: AuthorizationFailed: The client does not have authorization.
    "#);
}

#[test]
fn a_listing_that_is_none_is_not_an_empty_one() {
    for body in ["{}", "[]", "null", "[[]]", r#"{"value":{}}"#, r#"{"value":[],"nextLink":7}"#, ""] {
        let text = sync(Some(&[A]), move |asked, _| is_states_of(asked, A).then(|| Answer::ok(body)));
        assert!(text.contains("/-/instance-view: partly read: "), "{body}: {text}");
    }
}

#[test]
fn throttled_without_end_is_throttled_and_not_empty() {
    let server = Server::start(|asked, _| {
        let addresses = is_graph(asked) && kind(asked) == "publicipaddresses";
        if addresses || is_states_of(asked, A) { Answer::busy() } else { sound(asked) }
    });
    let limits = Limits { throttled_answers: 1, ..Limits::default() };
    let text = states(limited(&server, Some(&[A]), &limits).fetch(&Silent, &Stop::default()));
    insta::assert_snapshot!(text, @r#"
    asset web1-0000 web1 in lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instances: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instances: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/interfaces: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/interfaces: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/addresses: throttled: RateLimiting: Please slow down.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/load-balancers: complete
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/-/instance-view: throttled: RateLimiting: Please slow down.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/addresses: throttled: RateLimiting: Please slow down.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/instance-view: throttled: RateLimiting: Please slow down.
    partition lab/aaaaaaaa-0000-0000-0000-000000000001/westus/load-balancers: complete
    "#);
}

#[test]
fn a_wish_to_stop_leaves_what_was_not_asked() {
    let server = Server::start(|asked, _| sound(asked));
    let stop = Stop::default();
    stop.raise();
    let text = states(connector(&server, Some(&[A])).fetch(&Silent, &stop));
    assert!(text.contains("/-/instances: not asked\n") && !text.contains(": complete"), "{text}");
}

#[test]
fn workload_identity_hands_its_federated_token_to_the_authority() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("federated-token");
    std::fs::write(&file, "federated").unwrap();
    let server = Server::start(|asked, _| {
        if asked.target.contains("/oauth2/") {
            assert!(asked.body.contains("client_assertion=federated"), "{}", asked.body);
            assert!(!asked.body.contains("client_secret"), "{}", asked.body);
        }
        sound(asked)
    });
    let environment = |name: &str| match name {
        "AZURE_TENANT_ID" => Some("tenant".to_owned()),
        "AZURE_CLIENT_ID" => Some("client".to_owned()),
        "AZURE_FEDERATED_TOKEN_FILE" => Some(file.display().to_string()),
        "AZURE_AUTHORITY_HOST" => Some(server.url.clone()),
        _ => None,
    };
    let identity = AzureIdentity::default().or_environment(environment);
    assert_eq!(identity.way(), "workload identity");
    let config = AzureConfig {
        identity,
        subscriptions: Some(vec![A.to_owned()]),
        endpoint: Some(server.url.clone()),
        call_budget_percent: 100,
    };
    let azure = Azure::new(config, &Limits::default(), Arc::new(SystemClock::default()), 1).unwrap();
    let text = states(azure.fetch(&Silent, &Stop::default()));
    assert!(text.contains("asset web1-0000") && !text.contains("partly"), "{text}");
}
