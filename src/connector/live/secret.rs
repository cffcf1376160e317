//! Secrets by reference, in a type that cannot be printed. language.md 7, product.md part 3 want 36.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::lang::job::SecretRef;

/// A secret. It has no `Debug`, no `Display` and no `Serialize`, so a program that prints it does not compile; its
/// memory is overwritten when it goes.
///
/// ```compile_fail
/// fn print(secret: palisade::connector::live::secret::Secret) {
///     println!("{secret:?}");
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Longest secret, in bytes; long enough for a private key in PEM.
    pub const MAX_BYTES: usize = 64 << 10;

    /// Takes a secret that is at hand, such as a token just issued.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret, to be put into a request and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Why a secret is not at hand. Texts name the reference, never what was found there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(String);

/// Fetches a secret: the value of a variable, the content of a file, what a command prints. A line break at its end
/// is not part of it. `base` is the folder that relative file names start from; `variable` reads the environment.
pub fn resolve(
    reference: &SecretRef,
    base: &Path,
    patience: Duration,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Secret, SecretError> {
    let (place, text) = match reference {
        SecretRef::Env(name) => {
            let place = format!("the environment variable `{name}`");
            let text = variable(name).ok_or_else(|| SecretError(format!("{place} is not set; set it")))?;
            (place, Zeroizing::new(text))
        }
        SecretRef::File(path) => {
            let place = format!("the file `{path}`");
            let text = File::open(base.join(path)).and_then(read_all);
            (place.clone(), text.map_err(|e| SecretError(format!("{place} cannot be read: {e}")))?)
        }
        SecretRef::Command(words) => {
            let place = format!("the command `{}`", words.first().map_or("", String::as_str));
            let text = run(words, base, patience).map_err(|why| SecretError(format!("{place} {why}")))?;
            (place, text)
        }
    };
    if text.len() > Secret::MAX_BYTES {
        return Err(SecretError(format!("{place} gives more than {} bytes, too long for a secret", Secret::MAX_BYTES)));
    }
    let kept = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
    if kept.is_empty() {
        return Err(SecretError(format!("{place} gives an empty secret")));
    }
    Ok(Secret::new(kept.to_owned()))
}

fn read_all(from: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    from.take(Secret::MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Runs a command without a shell and without input. What it writes to stderr goes to ours: it may ask for a touch of
/// a key.
fn run(words: &[String], base: &Path, patience: Duration) -> Result<Zeroizing<String>, String> {
    let (program, args) = words.split_first().ok_or("is empty")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped());
    if !base.as_os_str().is_empty() {
        command.current_dir(base);
    }
    let mut child = command.spawn().map_err(|e| format!("cannot be started: {e}"))?;
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || sender.send(read_all(stdout)));
    }
    let read = match receiver.recv_timeout(patience) {
        Ok(read) => read.map_err(|e| format!("printed what cannot be read: {e}")),
        Err(RecvTimeoutError::Timeout) => Err(format!("did not end within {} s", patience.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Err("printed nothing".to_owned()),
    };
    if read.is_err() {
        // Already gone is as good as killed.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|e| format!("cannot be waited for: {e}"))?;
    let text = read?;
    // One that prints too much is told so by the caller; the broken pipe is our doing.
    if !status.success() && text.len() <= Secret::MAX_BYTES {
        return Err(format!("failed: {status}"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(reference: &SecretRef) -> Result<String, String> {
        let variable = |name: &str| (name == "SET").then(|| "value\n".to_owned());
        resolve(reference, Path::new(""), Duration::from_secs(10), variable)
            .map(|s| s.expose().to_owned())
            .map_err(|e| e.to_string())
    }

    fn command(words: &[&str]) -> Result<String, String> {
        get(&SecretRef::Command(words.iter().map(|w| (*w).to_owned()).collect()))
    }

    #[test]
    fn references() {
        assert_eq!(get(&SecretRef::Env("SET".into())), Ok("value".into()));
        assert_eq!(
            get(&SecretRef::Env("UNSET".into())),
            Err("the environment variable `UNSET` is not set; set it".into())
        );
        let missing = get(&SecretRef::File("/nonexistent/x".into()));
        assert!(missing.unwrap_err().starts_with("the file `/nonexistent/x` cannot be read: "));
        assert_eq!(command(&["printf", "two words\r\n"]), Ok("two words".into()));
        assert_eq!(command(&["true"]), Err("the command `true` gives an empty secret".into()));
        assert_eq!(command(&["false"]), Err("the command `false` failed: exit status: 1".into()));
        assert_eq!(
            command(&["head", "-c", "70000", "/dev/zero"]),
            Err("the command `head` gives more than 65536 bytes, too long for a secret".into())
        );
        assert!(command(&["/nonexistent/x"]).unwrap_err().contains("cannot be started"));
    }
}
