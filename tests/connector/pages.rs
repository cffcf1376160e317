//! Pages, packing, envelopes and overlays.

use std::io::Write;

use palisade::base::limits::Limits;

use super::dump::{dump, gaps, lab, read_with, show};

fn page(id: &str, zone: &str, token: &str) -> String {
    format!(
        r#"{{"Reservations":[{{"OwnerId":"123456789012","Instances":[{{"InstanceId":"{id}","Placement":{{"AvailabilityZone":"{zone}"}}}}]}}]{token}}}"#
    )
}

const NEXT: &str = r#","NextToken":"abc""#;

fn assets(text: &str) -> Vec<&str> {
    text.lines().filter_map(|l| l.strip_prefix("asset ")).filter_map(|l| l.split(' ').next()).collect()
}

#[test]
fn pages_in_every_packing() {
    let (one, two) = (page("i-1", "us-east-1a", NEXT), page("i-2", "us-east-1a", ""));
    for texts in [
        vec![format!("{one}\n{two}\n")],
        vec![format!("{one}{two}")],
        vec![format!("[{one},{two}]")],
        vec![one.clone(), two.clone()],
    ] {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let all = dump(&texts);
        assert_eq!(assets(&all), ["i-1", "i-2"]);
        assert!(all.contains("partition lab/123456789012/us-east-1/instances: complete"), "{all}");
    }
}

#[test]
fn gzip_is_known_by_its_content() {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    w.write_all(page("i-1", "us-east-1a", "").as_bytes()).unwrap();
    let packed = w.finish().unwrap();
    let (input, notices) = read_with(&lab(), &Limits::default(), &[("a.json", &packed)]);
    assert_eq!((input.assets.len(), notices.len()), (1, 0));
    let (input, notices) = read_with(&lab(), &Limits::default(), &[("a.json", &packed[..packed.len() - 12])]);
    assert!(notices.iter().any(|n| n.code == "P0352" || n.code == "P0361"), "{}", show(&input, &notices));
    assert!(input.partitions.iter().any(|p| p.gap().is_some_and(|g| g.cause.contains("partly read"))));
}

#[test]
fn a_missing_next_page_is_a_gap() {
    insta::assert_snapshot!(gaps(&[&page("i-1", "us-east-1a", NEXT)]), @r#"
    partition lab/123456789012/us-east-1/instances: partly read: next page is missing
    partition lab/123456789012/us-east-1/interfaces: complete
    partition lab/123456789012/us-east-1/addresses: complete
    error P0357 1.json: this page says that there is a next page, which was not recorded
    "#);
    // A page of another region is no continuation.
    let all = gaps(&[&page("i-1", "us-east-1a", NEXT), &page("i-2", "eu-west-1a", "")]);
    assert!(all.contains("us-east-1/instances: partly read: next page is missing"), "{all}");
    assert!(all.contains("eu-west-1/instances: complete"), "{all}");
}

#[test]
fn truncation_keeps_what_came_before() {
    let text = format!("[{},{}]", page("i-1", "us-east-1a", ""), page("i-2", "us-east-1a", ""));
    let cut: String = text.chars().take(text.len() - 20).collect();
    let all = dump(&[&cut]);
    assert_eq!(assets(&all), ["i-1"]);
    let list = r#"{"Reservations":[{"OwnerId":"1","Instances":[{"InstanceId":"i-1","Placement":{"AvailabilityZone":"us-east-1a"}}]},{"OwnerId":"1","Inst"#;
    insta::assert_snapshot!(gaps(&[list]), @r#"
    partition lab/1/us-east-1/instances: partly read: truncated at byte 134
    partition lab/1/us-east-1/interfaces: complete
    partition lab/1/us-east-1/addresses: complete
    error P0352 1.json: truncated at byte 134; the records before it were kept
    "#);
}

#[test]
fn files_that_are_none() {
    insta::assert_snapshot!(gaps(&[""]), @r#"
    partition lab/-/-/instances: partly read: 1.json: an empty file
    error P0351 1.json: the file is empty; accepted are, plain or gzip: aws ec2 describe-instances, describe-network-interfaces and describe-addresses, aws elbv2 and elb describe-load-balancers, az vm list (with -d or without), az network nic list, public-ip list, lb list and application-gateway list, Azure REST pages, Resource Graph answers, gcloud compute instances list, forwarding-rules list and addresses list, Compute Engine list and aggregatedList, palisade/recording/1 and palisade/overlay/1
    "#);
    insta::assert_snapshot!(gaps(&["InstanceId  Name\n"]), @r#"
    partition lab/-/-/instances: partly read: not JSON at byte 0: expected an object or an array, found `I`
    error P0353 1.json: not JSON at byte 0: expected an object or an array, found `I`; accepted are, plain or gzip: aws ec2 describe-instances, describe-network-interfaces and describe-addresses, aws elbv2 and elb describe-load-balancers, az vm list (with -d or without), az network nic list, public-ip list, lb list and application-gateway list, Azure REST pages, Resource Graph answers, gcloud compute instances list, forwarding-rules list and addresses list, Compute Engine list and aggregatedList, palisade/recording/1 and palisade/overlay/1
    "#);
    insta::assert_snapshot!(gaps(&[r#"{"hello":[1,2],"world":{}}"#]), @r#"
    partition lab/-/-/instances: partly read: 1 record dropped
    error P0354 1.json: this record was dropped: it is no known record: it has `hello`, `world`
    error P0350 1.json: the file holds no inventory that is known; accepted are, plain or gzip: aws ec2 describe-instances, describe-network-interfaces and describe-addresses, aws elbv2 and elb describe-load-balancers, az vm list (with -d or without), az network nic list, public-ip list, lb list and application-gateway list, Azure REST pages, Resource Graph answers, gcloud compute instances list, forwarding-rules list and addresses list, Compute Engine list and aggregatedList, palisade/recording/1 and palisade/overlay/1
    "#);
    insta::assert_snapshot!(gaps(&["[]"]), @r#"
    partition lab/-/-/instances: not asked
    warning P0351 1.json: an empty list: it does not say what there is none of; put it in a `palisade/recording/1` envelope with `kind`
    "#);
    insta::assert_snapshot!(gaps(&[]), @r#"partition lab/-/-/instances: not asked"#);
}

#[test]
fn an_envelope_says_what_the_answer_cannot() {
    let body = r#"{"Reservations":[{"Instances":[{"InstanceId":"i-1"}]}]}"#;
    let text = format!(
        r#"{{"schema":"palisade/recording/1","account":"123456789012","region":"eu-west-1","taken_at":"2025-12-31T00:00:00Z",
        "denied":[{{"region":"eu-central-1","kind":"instances","cause":"UnauthorizedOperation"}},{{"kind":"sandwiches"}}],"body":{body}}}"#
    );
    insta::assert_snapshot!(gaps(&[&text]), @r#"
    partition lab/123456789012/eu-central-1/instances: denied: UnauthorizedOperation
    partition lab/123456789012/eu-west-1/instances: partly read: denied: of an unknown kind
    partition lab/123456789012/eu-west-1/interfaces: complete
    partition lab/123456789012/eu-west-1/addresses: complete
    warning P0358 1.json: instances of account `123456789012`, region `eu-central-1` were refused: UnauthorizedOperation
    error P0359 1.json: an entry of `denied` names no known `kind`; it counts as instances
    "#);
    let (input, _) = read_with(
        &lab(),
        &Limits::default(),
        &[("a", text.as_bytes()), ("b", page("i-2", "us-east-1a", "").as_bytes())],
    );
    assert_eq!(input.taken_at.to_string(), "2025-12-31T00:00:00Z");
    let none = r#"{"schema":"palisade/recording/1","account":"s1","region":"westus","kind":"addresses","body":[]}"#;
    insta::assert_snapshot!(gaps(&[none]), @r#"
    partition lab/s1/westus/addresses: complete
    partition lab/-/-/instances: not asked
    "#);
    insta::assert_snapshot!(gaps(&[r#"{"schema":"palisade/recording/1","body":{"Reservations":[]},"region":"eu-west-1"}"#]), @r#"
    partition lab/-/-/instances: complete
    error P0359 1.json: `region` stands after `body` and was not used: put `body` last
    "#);
}

#[test]
fn an_overlay_sets_what_no_provider_delivers() {
    let overlay = r#"{"schema":"palisade/overlay/1","assets":{
      "i-1":{"activatedForModules":["PC"],"aws.ec2.hostname":"one","aws.ec2.hasAgent":true,"aws.ec2.vpcId":"vpc-0","nonsense":1},
      "i-2":{"activatedForModules":[]},"i-3":{},"i-1b":7}}"#;
    let all = dump(&[overlay, &page("i-1", "us-east-1a", ""), &page("i-2", "us-east-1a", "")]);
    let lines: Vec<&str> = all
        .lines()
        .filter(|l| l.contains("activated") || l.contains("hostname") || l.contains("hasAgent") || l.contains("P0"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
      activatedForModules.0 = PC
      aws.ec2.hasAgent.0 = true
      aws.ec2.hostname.0 = one
    error P0360 1.json assets["i-1"]: `aws.ec2.vpcId` is delivered by providers and cannot be set
    error P0360 1.json assets["i-1"]: `nonsense` is no token
    error P0360 1.json assets["i-1b"]: this entry was left out: invalid type: integer `7`, expected a map at line 1 column 1
    warning P0360 1.json assets["i-3"]: no asset is called `i-3`
    "#);
}

#[test]
fn the_connectors_regions_narrow() {
    let mut spec = lab();
    spec.regions = Some(vec!["EU (Ireland)".into()]);
    let (a, b) = (page("i-1", "us-east-1a", ""), page("i-2", "eu-west-1a", ""));
    let (input, notices) = read_with(&spec, &Limits::default(), &[("a", a.as_bytes()), ("b", b.as_bytes())]);
    assert_eq!(input.assets.iter().map(|a| &*a.id).collect::<Vec<_>>(), ["i-2"]);
    assert_eq!(
        notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["advice P0364: records of regions that the connector does not read: 1"]
    );
}

#[test]
fn an_id_recorded_twice() {
    let (one, two) = (page("i-1", "us-east-1a", ""), page("i-1", "us-east-1b", ""));
    insta::assert_snapshot!(gaps(&[&one, &one, &two]), @r#"
    partition lab/123456789012/us-east-1/instances: complete
    partition lab/123456789012/us-east-1/interfaces: complete
    partition lab/123456789012/us-east-1/addresses: complete
    advice P0363 2.json Reservations[0].Instances[0]: `i-1` is recorded again, word for word the same
    warning P0363 3.json Reservations[0].Instances[0]: `i-1` is recorded again with other values; the first record is used
    "#);
}
