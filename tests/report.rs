//! Documents for machines hold to their schemas; the text view shows the guide's fields in the guide's order.

use palisade::report::model::Results;
use palisade::report::{results_text, schema};
use serde_json::{Value, json};

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
            "counts": {"closed": 9, "open": 1}, "findings": [], "annotations": {"owner": "ops"},
            "first": "2018-04-30T22:35:13Z", "last": "2018-04-30T22:35:14Z"
        }],
        "not_scanned": [{"target": "i-2 192.0.2.2", "name": "b.example", "reason": "not alive"}],
        "coverage": {"planned": 20, "done": 20, "targets": 2, "scanned": 2},
        "recall": null,
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
    let schema: Value = serde_json::from_str(schema::schema("palisade/results/1").unwrap()).unwrap();
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
    insta::assert_snapshot!(results_text::view(&results), @r"
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
        9 closed, 1 open
           22/tcp open   syn-ack  1.2 ms

    Appendix
      Successfully Scanned Hosts (1): a.example
      Hosts Not Scanned, not alive (1): b.example
      Coverage: 20 of 20 probes, 2 of 2 targets
      Ledger: 22 sent under warrants (22 connect), 0 refused by the gate, 10 replies
    ");
}
