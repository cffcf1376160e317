//! Progress bars on a terminal; nothing on a pipe.

use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::base::progress::Progress;

/// One bar a stage, on standard error. The fraction is planned work units: it never goes back and ends at 100 %.
pub struct Bars {
    group: MultiProgress,
    open: Mutex<Vec<(&'static str, ProgressBar)>>,
}

impl Default for Bars {
    fn default() -> Self {
        Self { group: MultiProgress::new(), open: Mutex::new(Vec::new()) }
    }
}

const TEMPLATE: &str = "{prefix:>9} {bar:28} {percent:>3} %  {pos}/{len}  {per_sec}  {elapsed} left {eta}  {msg}";

impl Bars {
    fn with(&self, stage: &'static str, act: impl FnOnce(&ProgressBar)) {
        let open = self.open.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((_, bar)) = open.iter().find(|(s, _)| *s == stage) {
            act(bar);
        }
    }
}

impl Progress for Bars {
    fn start(&self, stage: &'static str, units: u64) {
        let bar = self.group.add(ProgressBar::new(units));
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_prefix(stage);
        let mut open = self.open.lock().unwrap_or_else(|e| e.into_inner());
        open.retain(|(s, _)| *s != stage);
        open.push((stage, bar));
    }

    fn update(&self, stage: &'static str, done: u64, facts: &str) {
        self.with(stage, |bar| {
            bar.set_position(done.max(bar.position()).min(bar.length().unwrap_or(done)));
            bar.set_message(facts.to_owned());
        });
    }

    fn finish(&self, stage: &'static str) {
        self.with(stage, |bar| {
            bar.set_position(bar.length().unwrap_or(0));
            bar.finish();
        });
    }
}
