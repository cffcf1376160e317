//! Why a command could not do its work, with what to do about it.

use std::path::PathBuf;

/// A failure outside the job files themselves; those are diagnostics.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// `read`, `write`, `list`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A name that is not there.
    #[error("there is no {kind} `{name}`{hint}")]
    Unknown {
        /// `scan`, `connector`, `asset`, `token`.
        kind: &'static str,
        /// As typed.
        name: String,
        /// `; did you mean …` or the names there are, or nothing.
        hint: String,
    },
    /// The command line asks for something that does not go together.
    #[error("{0}")]
    Usage(String),
    /// The plan moved since it was approved.
    #[error("the plan has moved since it was written: {}", .0.join("; "))]
    PlanMoved(Vec<String>),
    /// Planning stopped.
    #[error(transparent)]
    Plan(#[from] crate::plan::planner::PlanError),
    /// Scanning could not start.
    #[error(transparent)]
    Scan(#[from] crate::scan::ScanError),
    /// Conversations could not start.
    #[error(transparent)]
    Talk(#[from] crate::service::driver::TalkError),
    /// The state folder is unusable.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The inventory is unusable.
    #[error(transparent)]
    Snapshot(#[from] crate::inventory::snapshot::SnapshotError),
}

/// Result of a pipeline step.
pub type Result<T> = std::result::Result<T, RunError>;

/// The hint for a name that is not there: near names, else all of them where they are few.
pub fn hint<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if let Some(near) = crate::base::nearest::did_you_mean(name, names.iter().copied()) {
        return format!("; {near}");
    }
    match names.as_slice() {
        [] => String::new(),
        few if few.len() <= 8 => {
            format!("; there are: {}", few.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "))
        }
        many => format!("; there are {}", many.len()),
    }
}
