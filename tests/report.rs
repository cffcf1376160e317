//! Documents for machines hold to their schemas; the text view shows the guide's fields in the guide's order.

use palisade::report::model::Results;
use palisade::report::{results_text, schema};
use serde_json::{Value, json};

fn finding(check: &str, title: &str, kind: &str, severity: u8) -> Value {
    json!({
        "id": "f-0123456789abcdef", "check": check, "title": title, "kind": kind, "severity": severity, "asset": "i-1",
        "port": 22, "protocol": "tcp", "service": "ssh", "evidence": "SSH-2.0-x", "key": null, "state": "new",
        "first_seen": "2018-04-30T22:35:14Z", "last_seen": "2018-04-30T22:35:14Z", "also_at": [], "contradicted": null
    })
}

fn judgement() -> Value {
    let place = json!({"file": "edge.pal", "line": 3, "column": 5});
    let counts = json!({"error": 0, "fail": 1, "pass": 0, "unknown": 0, "waived": 0});
    let totals: Vec<Value> = (1..=5u8)
        .rev()
        .map(|s| json!({"severity": s, "confirmed": 0, "potential": 0, "information": u8::from(s == 1)}))
        .collect();
    json!({
        "judged_at": "2018-04-30T22:36:00Z", "check_set": "0.1.0-2-00000000", "totals": totals, "security_risk": 0.0,
        "security_risk_mode": "average", "states": {"fixed": 1, "new": 1},
        "checks": [{"id": "IG-12", "family": "information", "title": "SSH Banner", "severity": 1, "kind": "information",
            "references": [], "threat": "t", "impact": "i", "solution": "s"}],
        "coverage": [{"check": "IG-12", "found": 1, "clear": 0, "not_tested": 0, "failed": 0}],
        "left_out": [{"check": "FTP-02", "reason": "the profile does not consent to auth"}],
        "not_tested": [{"check": "SSH-03", "outcome": "not tested", "reason": "reset", "subjects": 1,
            "first": ["i-1 22/tcp"]}],
        "unattributed": [],
        "gone": [{"id": "f-1", "check": "DB-07", "title": "Redis", "kind": "confirmed", "severity": 5, "asset": "i-1",
            "port": 6379, "protocol": "tcp", "state": "fixed", "why": "the port is not open",
            "first_seen": "2018-04-01T00:00:00Z", "last_seen": "2018-04-02T00:00:00Z"}],
        "other_findings": [],
        "policies": [{"name": "edge", "counts": counts,
            "assertions": [{"rule": "deny port 22", "place": place, "asset": "i-1", "address": "192.0.2.1", "port": 22,
                "protocol": "tcp", "result": "fail", "severity": 4, "message": "remote administration is reachable"}],
            "waivers": [{"what": "tcp 8443", "place": place, "owner": "net", "reason": "r", "until": "2018-01-01",
                "state": "expired", "uses": 0}],
            "unused_expectations": [{"rule": "expect tcp 443", "place": place}]}],
        "controls": [{"id": "PC-03", "statement": "No remote administration port is reachable", "pointers": ["CIS"],
            "severity": 4, "counts": counts, "assets": [{"asset": "i-1", "result": "fail", "message": "22/tcp ssh"}]}]
    })
}

fn sample() -> Value {
    json!({
        "schema": "palisade/results/1",
        "summary": {
            "launch_date": "2018-04-30T22:35:12Z", "active_hosts": 1, "total_hosts": 2, "type": "Scheduled",
            "scan_type": "Cloud Perimeter - AWS EC2", "status": "Finished", "reference": "scan/1525152912.86743",
            "external_scanners": [{"addresses": ["192.0.2.9"], "engine": "palisade 0.1.0", "checks": null}],
            "duration_seconds": 400.2, "title": "edge", "asset_groups": [], "dns": ["a.example", "b.example"],
            "excluded_ips": [], "tags_included": {"quantifier": "any", "tags": ["EC2 Tag"]}, "tags_excluded": null,
            "option_profile": "standard", "organisation": null
        },
        "mode": "connect", "notes": [],
        "hosts": [{
            "asset": "i-1", "name": "a.example", "address": "192.0.2.1", "state": "up", "reason": "syn-ack", "os": null,
            "ports": [{"port": 22, "protocol": "tcp", "state": "open", "reason": "syn-ack", "service": null, "product": null, "version": null,
                "rtt_ms": 1.25, "ttl": 64}],
            "counts": {"closed": 9, "open": 1}, "reasons": {"closed": {"reset": 8, "icmp 3/3": 1}}, "findings": [finding("IG-12", "SSH Banner", "information", 1)],
            "security_risk": 0.0, "clause": null, "annotations": {"owner": "ops"}, "every_port": null,
            "first": "2018-04-30T22:35:13Z", "last": "2018-04-30T22:35:14Z"
        , "unattributed_since": null}],
        "not_scanned": [{"target": "i-2 192.0.2.2", "name": "b.example", "reason": "not alive"}],
        "coverage": {"planned": 20, "done": 20, "targets": 2, "scanned": 2},
        "recall": null,
        "judgement": judgement(),
        "ledger": {"total": 22, "by_probe": {"connect": 22}, "upkeep": 0, "refused": 0, "replies": 10,
            "duplicates": 0, "malformed": 0, "strangers": 0},
        "gaps": [], "cannot_tell": [], "errors": [], "plan_hash": "plan-1", "snapshot": "snap-1"
    })
}

/// Faults of a document by a schema: the subset of JSON Schema that ours use.
fn faults(schema: &Value, root: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} leads nowhere"));
        return faults(target, root, value, at, out);
    }
    let of = |t: &str| match t {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{at}: the schema knows a type {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(t) => of(t),
        Value::Array(ts) => ts.iter().any(|t| of(t.as_str().unwrap())),
        _ => true,
    };
    if !fits {
        out.push(format!("{at}: {value} is not {}", schema["type"]));
    }
    if let Some(ways) = schema["anyOf"].as_array() {
        let fits = ways.iter().any(|way| {
            let mut inner = Vec::new();
            faults(way, root, value, at, &mut inner);
            inner.is_empty()
        });
        if !fits {
            out.push(format!("{at}: {value} fits none of its forms"));
        }
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        out.push(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    if schema["additionalProperties"] == false {
        let known = |key: &String| schema["properties"].get(key).is_some();
        let strange = value.as_object().into_iter().flat_map(|o| o.keys()).filter(|k| !known(k));
        out.extend(strange.map(|k| format!("{at}: {k} is not in the schema")));
    }
    if schema["additionalProperties"].is_object() {
        for (key, v) in value.as_object().into_iter().flatten().filter(|(k, _)| schema["properties"].get(*k).is_none())
        {
            faults(&schema["additionalProperties"], root, v, &format!("{at}/{key}"), out);
        }
    }
    if schema.get("const").is_some_and(|c| c != value) {
        out.push(format!("{at}: {value} is not {}", schema["const"]));
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value.get(key).is_none() {
            out.push(format!("{at}: no {key}"));
        }
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(v) = value.get(key) {
            faults(inner, root, v, &format!("{at}/{key}"), out);
        }
    }
    for (i, v) in value.as_array().into_iter().flatten().enumerate() {
        if schema["items"].is_object() {
            faults(&schema["items"], root, v, &format!("{at}/{i}"), out);
        }
    }
}

fn checked(value: &Value) -> Vec<String> {
    faults_by("palisade/results/1", value)
}

/// Faults of a document by the schema of a kind.
pub fn faults_by(kind: &str, value: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema::schema(kind).unwrap()).unwrap();
    let mut out = Vec::new();
    faults(&schema, &schema, value, "", &mut out);
    out
}

#[test]
fn every_schema_is_json_and_names_its_kind() {
    for kind in schema::kinds() {
        let text: Value = serde_json::from_str(schema::schema(kind).unwrap()).unwrap();
        assert!(text["type"] == "object" && text["required"].is_array(), "{kind}");
    }
    assert_eq!(schema::schema("none"), None);
}

#[test]
fn results_hold_to_their_schema_and_read_back() {
    let results: Results = serde_json::from_value(sample()).unwrap();
    let written = serde_json::to_value(&results).unwrap();
    assert_eq!(written, sample(), "empty lists stay [], unknown stays null");
    assert_eq!(checked(&written), Vec::<String>::new());
    for key in written.as_object().unwrap().keys() {
        let mut without = written.clone();
        without.as_object_mut().unwrap().remove(key);
        assert_eq!(checked(&without), [format!(": no {key}")]);
    }
}

#[test]
fn the_text_view_follows_the_guide() {
    let results: Results = serde_json::from_value(sample()).unwrap();
    insta::assert_snapshot!(results_text::view(&results), @r#"
    Report Summary
      Launch Date:         04/30/2018 at 22:35:12 (GMT+0000)
      Active Hosts:        1
      Total Hosts:         2
      Type:                Scheduled
      Scan Type:           Cloud Perimeter - AWS EC2
      Status:              Finished
      Reference:           scan/1525152912.86743
      External Scanners:   192.0.2.9 (Scanner palisade 0.1.0, Checks -)
      Duration:            00:06:40
      Title:               edge
      Asset Groups:        -
      DNS:                 a.example, b.example
      Excluded IPs:        -
      Tags Included:       (any) EC2 Tag
      Tags Excluded:       -
      Option Profile:      standard
      Mode:                connect

    Detailed Results

      192.0.2.1 (a.example, -)  i-1
        owner: ops
        9 closed (1 icmp 3/3, 8 reset), 1 open
           22/tcp open   syn-ack  1.2 ms
        Information Gathered (1)
          1 SSH Banner  port 22/tcp  [new]
              IG-12: SSH-2.0-x

    Policy "edge": 0 pass, 1 fail, 0 error, 0 unknown, 0 waived
      fail    4 i-1  port 22/tcp  deny port 22: remote administration is reachable  (edge.pal:3:5)
      waiver  tcp 8443 is expired, until 2018-01-01, net  (edge.pal:3:5)
      unused  expect tcp 443: open on no asset in scope  (edge.pal:3:5)

    Controls                                                      pass fail error unknown waived
      PC-03 No remote administration port is reachable              0    1     0       0      0

    Gone Since Earlier Runs
      fixed          5 Redis  i-1  port 6379/tcp  the port is not open

    Vulnerabilities Total 0    Security Risk 0.0 (average)
      Severity  Confirmed  Potential  Information Gathered  Total
      5                 0          0                     0      0
      4                 0          0                     0      0
      3                 0          0                     0      0
      2                 0          0                     0      0
      1                 0          0                     1      1
      Total             0          0                     1      1
      Against earlier runs: 1 fixed, 1 new
      Checks: 1 run, 1 not run; 1 found, 0 clear, 0 not tested, 0 failed

    Appendix
      Successfully Scanned Hosts (1): a.example
      Hosts Not Scanned, not alive (1): b.example
      Coverage: 20 of 20 probes, 2 of 2 targets
      Ledger: 22 sent under warrants (22 connect), 0 refused by the gate, 10 replies
    "#);
}
