//! Finding files: the `*.pal` files of a workspace, and the recorded answers a connector's pattern names.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// More files than this in one workspace is a mistaken folder.
const MAX_FILES: usize = 20_000;
/// Folders are followed this deep.
const MAX_DEPTH: usize = 32;

/// All files with the ending below a folder, sorted. Hidden folders, `target` and `node_modules` are passed over, and
/// links to folders are not followed.
pub fn with_ending(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(folder, 0, &mut |path| {
        if path.extension().is_some_and(|e| e == ending) {
            found.push(path.to_owned());
        }
    })?;
    found.sort();
    Ok(found)
}

/// Files that match a pattern below a folder, sorted. `*` and `?` match within a path segment, `**` across segments.
/// A pattern without wildcards names one file, whether it exists or not.
pub fn matching(folder: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    if !pattern.contains(['*', '?']) {
        return Ok(vec![folder.join(pattern)]);
    }
    // The part before the first wildcard is a plain path: it may be absolute or go upwards.
    let segments: Vec<&str> = pattern.split('/').collect();
    let plain = segments.iter().take_while(|s| !s.contains(['*', '?'])).count();
    let (fixed, wild) = segments.split_at(plain);
    let root =
        if pattern.starts_with('/') && fixed.len() <= 1 { PathBuf::from("/") } else { folder.join(fixed.join("/")) };
    let mut found = Vec::new();
    walk(&root, 0, &mut |path| {
        let Ok(relative) = path.strip_prefix(&root) else { return };
        let parts: Option<Vec<&str>> = relative
            .components()
            .map(|c| match c {
                Component::Normal(part) => part.to_str(),
                _ => None,
            })
            .collect();
        if parts.is_some_and(|parts| segments_match(wild, &parts)) {
            found.push(path.to_owned());
        }
    })?;
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, depth: usize, visit: &mut dyn FnMut(&Path)) -> io::Result<()> {
    let mut budget = MAX_FILES;
    walk_within(folder, depth, &mut budget, visit)
}

fn walk_within(folder: &Path, depth: usize, budget: &mut usize, visit: &mut dyn FnMut(&Path)) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        *budget = budget.checked_sub(1).ok_or_else(|| {
            io::Error::other(format!("more than {MAX_FILES} files below this folder; name a smaller one with -C"))
        })?;
        let path = entry.path();
        let kind = entry.file_type()?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                walk_within(&path, depth + 1, budget, visit)?;
            }
        } else {
            visit(&path);
        }
    }
    Ok(())
}

fn segments_match(pattern: &[&str], parts: &[&str]) -> bool {
    match (pattern, parts) {
        ([], []) => true,
        (["**", rest @ ..], _) => (0..=parts.len()).any(|n| segments_match(rest, parts.get(n..).unwrap_or(&[]))),
        ([first, rest @ ..], [part, others @ ..]) => segment_matches(first, part) && segments_match(rest, others),
        _ => false,
    }
}

/// Linear in both: on a mismatch only the last `*` is widened.
fn segment_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(want) if *want == '?' || want == c => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or(&[]).iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let ok =
            |p: &str, t: &str| segments_match(&p.split('/').collect::<Vec<_>>(), &t.split('/').collect::<Vec<_>>());
        assert!(ok("*.json", "a.json") && ok("**/*.json", "a.json") && ok("**/*.json", "x/y/a.json"));
        assert!(ok("x/**/b", "x/b") && ok("a?c*", "abcdef") && ok("*a*a*a*b", "aaaaaaaab"));
        assert!(!ok("*.json", "x/a.json") && !ok("a?c", "ac") && !ok("**/b", "x/c"));
        assert!(!segment_matches(&("*a".repeat(40) + "*b"), &"a".repeat(2_000)));
    }
}
