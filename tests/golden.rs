//! Expected texts in files: `UPDATE_GOLDEN=1` rewrites them.

use std::fs;
use std::path::Path;

/// Compares with `tests/NAME`.
pub fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
        return;
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    if wanted == actual {
        return;
    }
    let first = wanted.lines().zip(actual.lines()).take_while(|(a, b)| a == b).count();
    let some =
        |text: &str, mark: &str| text.lines().skip(first).take(8).map(|l| format!("{mark} {l}\n")).collect::<String>();
    panic!(
        "tests/{name} differs at line {}:\n{}{}UPDATE_GOLDEN=1 accepts",
        first + 1,
        some(&wanted, "-"),
        some(actual, "+")
    );
}
