//! Shows progress on stderr: a bar on a terminal, otherwise a line now and then, so that a log shows life.

use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The longest time between two lines in a log.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Steps done and yet to do.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Steps done and all steps. Includes those done before the experiment was continued.
    done: u64,
    total: u64,
    /// Steps done by this process, and since when. They give the pace.
    paced: u64,
    started: Instant,
    spoken: Option<Instant>,
    repeat: Option<u32>,
    what: String,
}

impl Progress {
    /// `done` of `total` steps were done before the experiment was continued.
    pub(crate) fn new(done: u64, total: u64) -> Progress {
        // Hidden when stderr is not a terminal.
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:16} {pos}/{len} {prefix} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_position(done);
        let started = Instant::now();
        Progress { bar, done, total, paced: 0, started, spoken: None, repeat: None, what: String::new() }
    }

    /// Begins the next step. `repeat` is the number of its repeat, if the step is a run.
    pub(crate) fn begin(&mut self, repeat: Option<u32>, what: &str) {
        self.what = what.to_owned();
        self.bar.set_prefix(self.left());
        self.bar.set_message(self.what.clone());
        let is_due = self.repeat != repeat || self.spoken.is_none_or(|spoken| spoken.elapsed() >= SILENCE_MAX);
        self.repeat = repeat;
        if is_due {
            self.speak(&format!("{} of {}, {what}, {}", self.done + 1, self.total, self.left()));
        }
    }

    /// The step under way waits for something.
    pub(crate) fn waits_for(&mut self, reasons: &str) {
        self.bar.set_message(format!("waits for {reasons}: {}", self.what));
        if self.spoken.is_none_or(|spoken| spoken.elapsed() >= SILENCE_MAX) {
            self.speak(&format!("{} of {}, waits for {reasons}", self.done + 1, self.total));
        }
    }

    /// Ends the current step, whether it succeeded or was given up.
    pub(crate) fn finish_step(&mut self) {
        self.done += 1;
        self.paced += 1;
        self.bar.inc(1);
    }

    /// Prints a line that must be seen.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| say!("c10m: {line}"));
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn speak(&mut self, line: &str) {
        self.spoken = Some(Instant::now());
        if self.bar.is_hidden() {
            say!("c10m: {line}");
        }
    }

    /// Time left at the pace of this process; the pace includes waits.
    fn left(&self) -> String {
        if self.paced == 0 {
            return "time left unknown".to_owned();
        }
        let each = self.started.elapsed().as_secs_f64() / self.paced as f64;
        let left = Duration::from_secs((each * (self.total - self.done) as f64) as u64);
        format!("{} left", HumanDuration(left))
    }
}
