//! Tokens that every asset can have, whatever its provider.

use super::TokenType::{Bool, Date, Enum, Ip, Keyword, Number, Text};
use super::{Token, TokenType, row};
use crate::inventory::partition::Kind;

const PROVIDERS: &[&str] = &["AWS", "AZURE", "GCP"];
const MODULES: &[&str] = &["VM", "PC", "SCA", "PM", "CLOUDVIEW", "CERTVIEW"];
const TRACKING: &[&str] = &[
    "NONE",
    "IP",
    "DNSNAME",
    "NETBIOS",
    "INSTANCE_ID",
    "VIRTUAL_MACHINE_ID",
    "GCP_INSTANCE_ID",
    "QAGENT",
    "OCA",
    "SEM",
];
const PROTOCOLS: &[&str] = &["TCP", "UDP"];
const TYPE_DETECTED: &[&str] = &["Confirmed", "Potential", "Information"];
const STATUS: &[&str] = &["NEW", "ACTIVE", "FIXED", "REOPENED"];
const RESULTS: &[Kind] = &[Kind::Results];
const NET: &[Kind] = &[Kind::Instances, Kind::Interfaces];

const fn one(name: &'static str, ty: TokenType, doc: &'static str, example: &'static str) -> Token {
    row(name, ty, false, doc, example).needs(&[Kind::Instances]).path("connector")
}

const fn many(name: &'static str, ty: TokenType, doc: &'static str, example: &'static str) -> Token {
    row(name, ty, true, doc, example).needs(&[Kind::Instances]).path("connector")
}

/// Answered from the latest results of our own scans.
const fn result(name: &'static str, ty: TokenType, doc: &'static str, example: &'static str) -> Token {
    row(name, ty, true, doc, example).needs(RESULTS).path("latest scan results")
}

pub(super) const TOKENS: &[Token] = &[
    one("name", Text, "asset name", "name: web*").alias(&["asset.name"]).seen("rule"),
    one("asset.assetId", Number, "asset number", "asset.assetId != 0").alias(&["id"]).seen("filter"),
    one("asset.hostID", Number, "host number", "asset.hostID > 0").seen("filter"),
    one("asset.type", Keyword, "kind of asset, HOST", "asset.type: HOST").seen("filter"),
    one("netbiosName", Text, "NetBIOS name", "netbiosName: WEB1").seen("filter"),
    one("dnsName", Text, "DNS name", "dnsName: *.example.com").alias(&["fqdn"]),
    one("address", Ip, "main address", "address: 10.0.0.0/8"),
    one("provider", Enum(PROVIDERS), "cloud provider", "provider: AWS").seen("filter"),
    many("connectors.name", Text, "connectors that brought the asset", "connectors.name: conn1").seen("ours"),
    many("tags.name", Keyword, "tags of this workspace that the asset has", "tags.name: \"EC2 Tag\"")
        .path("tag blocks")
        .seen("rule"),
    many("activatedForModules", Enum(MODULES), "modules the asset is activated for", "activatedForModules: VM")
        .seen("rule"),
    one("trackingMethod", Enum(TRACKING), "how the asset is tracked", "trackingMethod: INSTANCE_ID").seen("rule"),
    one("operatingSystem", Text, "operating system in words", "operatingSystem: \"Windows 7\"").seen("rule"),
    one("operatingSystem.name", Text, "operating system, normalised", "operatingSystem.name: Linux").seen("rule"),
    one("operatingSystem.publisher", Text, "publisher", "operatingSystem.publisher: Canonical").seen("rule"),
    one("operatingSystem.version", Keyword, "version", "operatingSystem.version: 22.04"),
    one("operatingSystem.category", Keyword, "category", "operatingSystem.category: Linux").seen("rule"),
    one("operatingSystem.category1", Keyword, "first category", "operatingSystem.category1: Linux").seen("rule"),
    one("operatingSystem.category2", Keyword, "second category", "operatingSystem.category2: Server").seen("rule"),
    many("interfaces.address", Ip, "every address of every interface", "interfaces.address: 10.0.0.0/8")
        .needs(NET)
        .seen("rule"),
    many("interfaces.hostname", Text, "host names of interfaces", "interfaces.hostname: web*").needs(NET).seen("rule"),
    many("interfaces.name", Text, "interface names", "interfaces.name: eth0").needs(NET),
    many("interfaces.macAddress", Keyword, "MAC addresses", "interfaces.macAddress: 00-0D-3A*").needs(NET),
    result("openPorts.port", Number, "open ports", "openPorts.port: [80 .. 443]").seen("rule"),
    result("openPorts.protocol", Enum(PROTOCOLS), "their protocol", "openPorts.protocol: TCP"),
    result("openPorts.detectedService", Text, "their service", "openPorts.detectedService: ssh"),
    result("openPorts.firstFound", Date, "first seen open", "openPorts.firstFound > now-7d"),
    result("openPorts.lastUpdated", Date, "last seen open", "openPorts.lastUpdated > now-7d"),
    result("services.name", Text, "services found", "services.name: ssh"),
    result("vulnerabilities.vulnerability.qid", Keyword, "check ids", "vulnerabilities.vulnerability.qid: SSH-01")
        .seen("rule"),
    result(
        "vulnerabilities.vulnerability.title",
        Text,
        "titles",
        "vulnerabilities.vulnerability.title: \"SSH Banner\"",
    )
    .seen("rule"),
    result(
        "vulnerabilities.vulnerability.severity",
        Number,
        "severities, 1 to 5",
        "vulnerabilities.vulnerability.severity >= 4",
    )
    .seen("rule"),
    result(
        "vulnerabilities.vulnerability.cveIds",
        Keyword,
        "CVE numbers",
        "vulnerabilities.vulnerability.cveIds: CVE-2023-48795",
    ),
    result("vulnerabilities.severity", Number, "severities, short form", "vulnerabilities.severity: 5").seen("rule"),
    result("vulnerabilities.typeDetected", Enum(TYPE_DETECTED), "how sure", "vulnerabilities.typeDetected: Confirmed")
        .seen("rule"),
    result("vulnerabilities.status", Enum(STATUS), "state of the finding", "vulnerabilities.status: NEW").seen("rule"),
    result("vulnerabilities.firstFound", Date, "first found", "vulnerabilities.firstFound > now-30d").seen("rule"),
    result("vulnerabilities.lastFound", Date, "last found", "vulnerabilities.lastFound: [now-1w .. now]").seen("rule"),
    result("vulnerabilities.disabled", Bool, "check is switched off", "vulnerabilities.disabled: false").seen("rule"),
    result("vulnerabilities.ignored", Bool, "finding is waived", "vulnerabilities.ignored: false").seen("rule"),
    row("lastVmScanDate", Date, false, "last vulnerability scan", "lastVmScanDate < now-30d")
        .needs(RESULTS)
        .path("latest scan results")
        .seen("rule"),
    row("lastComplianceScan", Date, false, "last compliance scan", "lastComplianceScan < now-30d")
        .needs(RESULTS)
        .path("latest scan results"),
    one("created", Date, "first seen by a connector", "created > now-7d").seen("filter"),
    one("updated", Date, "last changed", "updated > now-1d").alias(&["lastUpdated"]).seen("filter"),
    one("lastBoot", Date, "last start", "lastBoot < now-90d").alias(&["asset.lastBoot"]).seen("rule"),
    one("criticalityScore", Number, "1 to 5, the highest of its tags", "criticalityScore >= 4")
        .path("tag blocks")
        .seen("filter"),
    one("riskScore", Number, "0 to 1000", "riskScore > 500").alias(&["asset.riskScore"]).path("overlay").seen("rule"),
];
