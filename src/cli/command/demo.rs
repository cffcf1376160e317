//! `palisade demo`

use std::path::PathBuf;

use super::Session;
use super::run::{Options, run_scan};
use crate::cli::args::{DemoArgs, Format, ModeArg};
use crate::cli::exit::Exit;
use crate::run::demo::Demo;
use crate::run::error::{Result, RunError};

/// A folder that is removed when the demo ends, unless the user keeps it.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed stays in the system's temporary folder, which cleans itself.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Starts the hosts, checks, plans, scans and reports.
pub fn demo(session: &Session, args: &DemoArgs) -> Result<Exit> {
    let folder = match &args.keep {
        Some(path) => Folder { path: path.clone(), temporary: false },
        None => {
            Folder { path: std::env::temp_dir().join(format!("palisade-demo-{}", std::process::id())), temporary: true }
        }
    };
    let demo = Demo::start(&folder.path).map_err(|source| RunError::File {
        action: "start the demo in",
        path: folder.path.clone(),
        source,
    })?;
    if session.output.format == Format::Text {
        session.output.heading("Six hosts on 127.0.0.0/8, and a recorded inventory that knows them:");
        for line in &demo.summary {
            session.output.data(&format!("  {line}\n"));
        }
        session.output.data("\n");
    }
    let mut global = session.global.clone();
    global.dir.clone_from(&folder.path);
    global.state = Some(folder.path.join(".palisade"));
    let inner = Session::new(global, session.output);
    let options = Options { mode: ModeArg::Connect, show_plan: true, ..Options::default() };
    let exit = run_scan(&inner, Some("demo"), &options)?;
    if session.output.format == Format::Text {
        match &args.keep {
            Some(path) => session.output.data(&format!(
                "\nThe workspace is kept: try `palisade -C {0} why demo stopped` or `palisade -C {0} repl`.\n",
                path.display()
            )),
            None => session.output.data("\nKeep the workspace to play with: palisade demo --keep DIR\n"),
        }
    }
    drop(demo);
    Ok(exit)
}
