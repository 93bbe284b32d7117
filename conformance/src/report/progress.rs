//! What is shown while scenarios run: a bar on a terminal, lines elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::judge::{Judgement, Verdict};

/// The progress of a run, on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    failed: u64,
    done: u64,
    all: u64,
}

impl Progress {
    /// Of so many scenarios.
    #[must_use]
    pub fn new(all: u64, verbose: bool) -> Progress {
        let bar = (std::io::stderr().is_terminal() && !verbose).then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos} of {len}{msg}")
                .expect("the template is right");
            ProgressBar::new(all).with_style(style.progress_chars("━╸─"))
        });
        if let Some(bar) = &bar {
            // A bar that is not ticked is first drawn when the first scenario is done.
            bar.tick();
        }
        Progress {
            bar,
            failed: 0,
            done: 0,
            all,
        }
    }

    /// A scenario is done.
    pub fn done(&mut self, judgement: &Judgement) {
        self.done += 1;
        let failed = matches!(judgement.verdict, Verdict::Fail(_));
        self.failed += u64::from(failed);
        match &self.bar {
            Some(bar) => {
                if self.failed > 0 {
                    bar.set_message(format!(", {} failed", self.failed));
                }
                bar.inc(1);
            }
            None if failed => eprintln!(
                "[{}/{}] FAIL {}/{}",
                self.done, self.all, judgement.scenario.chapter, judgement.scenario.id
            ),
            None if self.done.is_multiple_of(50) => eprintln!("[{}/{}]", self.done, self.all),
            None => {}
        }
    }

    /// All are done.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
