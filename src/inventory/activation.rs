//! Which modules an asset is activated for. Guide rules B1, B11, M4.

use super::asset::Module;

/// Instance types that are not activated unless the connector says so. query-language.md 7.4.
pub const MICRO_AND_NANO: &[&str] = &["m1.small", "t1.micro", "t2.nano", "t3.nano"];

/// The granted modules, or none for a terminated or deleted asset, or for one of the smallest types.
pub fn activated_modules(
    granted: &[Module],
    state: Option<&str>,
    instance_type: Option<&str>,
    include_micro_nano: bool,
) -> Vec<Module> {
    let gone = matches!(state, Some("TERMINATED" | "DELETED"));
    let small = instance_type.is_some_and(|t| MICRO_AND_NANO.contains(&t)) && !include_micro_nano;
    if gone || small { Vec::new() } else { granted.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let both = [Module::Vm, Module::Pc];
        assert_eq!(activated_modules(&both, Some("RUNNING"), Some("t3.small"), false), both);
        assert_eq!(activated_modules(&both, Some("TERMINATED"), Some("t3.small"), true), []);
        assert_eq!(activated_modules(&both, Some("RUNNING"), Some("t2.nano"), false), []);
        assert_eq!(activated_modules(&[Module::Pc], None, Some("t2.nano"), true), [Module::Pc]);
    }
}
