//! Devices: cameras, routers and industrial controllers.

use super::{Kind, Row};
use crate::lang::job::Consent;

pub(super) const CHECKS: &[Row] = &[
    Row {
        id: "DV-04",
        title: "A camera stream can be watched without a login",
        severity: 3,
        kind: Kind::Confirmed,
        references: &["RFC 7826"],
        threat: "DESCRIBE was answered with a description of the stream.",
        impact: "Strangers watch, and learn when nobody is there.",
        solution: "Set a password, update the camera, and reach it through a VPN.",
        control: "A camera that answers the same request with 401 is not reported; no stream is fetched.",
        judge: |s| s.lets_in("rtsp"),
        ..Row::BASE
    },
    Row {
        id: "DV-05",
        title: "BGP can be reached",
        severity: 2,
        kind: Kind::Confirmed,
        references: &["RFC 4271"],
        threat: "The router accepts connections from strangers and talks to them.",
        impact: "Sessions can be disturbed, and flaws in the router used.",
        solution: "Accept connections of known peers only, with TTL security and authentication.",
        control: "An OPEN or NOTIFICATION must come; a connection that is closed in silence is not reported.",
        judge: |s| s.reached(&["bgp"]),
        ..Row::BASE
    },
    Row {
        id: "IC-01",
        title: "An industrial protocol can be reached",
        severity: 5,
        kind: Kind::Confirmed,
        consent: Consent::Ics,
        references: &["CISA industrial control systems advisories"],
        threat: "Most of these protocols ask nobody who he is: whoever connects reads and writes the process.",
        impact: "Machines, valves and breakers are driven by strangers.",
        solution: "Put the controller behind a firewall and a VPN; never on a public address.",
        control: "The service is recognised by its answer to a handshake or identity request; nothing is written.",
        judge: |s| s.reached(INDUSTRIAL),
        ..Row::BASE
    },
];

/// Protocols of industrial controllers.
const INDUSTRIAL: &[&str] = &["modbus", "s7", "dnp3", "bacnet", "enip", "iec104"];
