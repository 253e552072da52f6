//! The bar on stderr, only when that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

pub(crate) struct Progress {
    bar: ProgressBar,
    begun: bool,
}

impl Progress {
    pub(crate) fn new(steps: u64) -> Self {
        // Hidden automatically where stderr is no terminal.
        let bar = ProgressBar::new(steps);
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {pos}/{len}, {eta} left  {msg}") {
            bar.set_style(style);
        }
        Self { bar, begun: false }
    }

    /// Marks the last step as done and begins this one. Nothing is drawn during a step: drawing would take CPU time
    /// from the load.
    pub(crate) fn step(&mut self, workload: &str, target: &str, what: &str) {
        self.bar.inc(u64::from(std::mem::replace(&mut self.begun, true)));
        self.bar.set_message(format!("{workload}, {target}, {what}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
