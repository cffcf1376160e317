//! AWS regions by code and by the name that consoles show, and the region of a zone. Guide rule E3.

/// (code, name) of AWS regions, after the public "Regions and Availability Zones" page.
pub const AWS_REGIONS: &[(&str, &str)] = &[
    ("af-south-1", "Africa (Cape Town)"),
    ("ap-east-1", "Asia Pacific (Hong Kong)"),
    ("ap-east-2", "Asia Pacific (Taipei)"),
    ("ap-northeast-1", "Asia Pacific (Tokyo)"),
    ("ap-northeast-2", "Asia Pacific (Seoul)"),
    ("ap-northeast-3", "Asia Pacific (Osaka)"),
    ("ap-south-1", "Asia Pacific (Mumbai)"),
    ("ap-south-2", "Asia Pacific (Hyderabad)"),
    ("ap-southeast-1", "Asia Pacific (Singapore)"),
    ("ap-southeast-2", "Asia Pacific (Sydney)"),
    ("ap-southeast-3", "Asia Pacific (Jakarta)"),
    ("ap-southeast-4", "Asia Pacific (Melbourne)"),
    ("ap-southeast-5", "Asia Pacific (Malaysia)"),
    ("ap-southeast-7", "Asia Pacific (Thailand)"),
    ("ca-central-1", "Canada (Central)"),
    ("ca-west-1", "Canada West (Calgary)"),
    ("cn-north-1", "China (Beijing)"),
    ("cn-northwest-1", "China (Ningxia)"),
    ("eu-central-1", "EU (Frankfurt)"),
    ("eu-central-2", "EU (Zurich)"),
    ("eu-north-1", "EU (Stockholm)"),
    ("eu-south-1", "EU (Milan)"),
    ("eu-south-2", "EU (Spain)"),
    ("eu-west-1", "EU (Ireland)"),
    ("eu-west-2", "EU (London)"),
    ("eu-west-3", "EU (Paris)"),
    ("il-central-1", "Israel (Tel Aviv)"),
    ("me-central-1", "Middle East (UAE)"),
    ("me-south-1", "Middle East (Bahrain)"),
    ("mx-central-1", "Mexico (Central)"),
    ("sa-east-1", "South America (Sao Paulo)"),
    ("us-east-1", "US East (N. Virginia)"),
    ("us-east-2", "US East (Ohio)"),
    ("us-gov-east-1", "AWS GovCloud (US-East)"),
    ("us-gov-west-1", "AWS GovCloud (US-West)"),
    ("us-west-1", "US West (N. California)"),
    ("us-west-2", "US West (Oregon)"),
];

/// The display name of a region code.
pub fn region_by_code(code: &str) -> Option<&'static str> {
    AWS_REGIONS.iter().find(|(c, _)| c.eq_ignore_ascii_case(code)).map(|(_, name)| *name)
}

/// The code of a display name; `Europe (Ireland)` counts as `EU (Ireland)`.
pub fn region_by_name(name: &str) -> Option<&'static str> {
    let wanted = name.trim().replacen("Europe (", "EU (", 1).to_lowercase();
    AWS_REGIONS.iter().find(|(_, n)| n.to_lowercase() == wanted).map(|(code, _)| *code)
}

/// The region of a zone: the code without the zone letter, and for Local and Wavelength Zones
/// (`us-west-2-lax-1a`, `us-east-1-wl1-bos-wlz-1`) the region that the name starts with.
pub fn zone_to_region(zone: &str) -> Option<&'static str> {
    AWS_REGIONS
        .iter()
        .map(|(code, _)| *code)
        .filter(|code| {
            zone.strip_prefix(code).is_some_and(|rest| {
                rest.starts_with('-') || (rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_lowercase()))
            })
        })
        .max_by_key(|code| code.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_zones() {
        assert_eq!(region_by_name("us east (n. virginia)"), Some("us-east-1"));
        assert_eq!(region_by_name("Europe (Ireland)"), Some("eu-west-1"));
        assert_eq!(region_by_code("US-EAST-1"), Some("US East (N. Virginia)"));
        assert_eq!(zone_to_region("us-east-1a"), Some("us-east-1"));
        assert_eq!(zone_to_region("us-west-2-lax-1a"), Some("us-west-2"));
        assert_eq!(zone_to_region("us-east-1-wl1-bos-wlz-1"), Some("us-east-1"));
        assert_eq!(zone_to_region("us-east-11"), None);
        assert_eq!(zone_to_region("westus"), None);
    }
}
