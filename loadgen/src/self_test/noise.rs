//! What the host did to the test: a thread that wants to wake up every millisecond and notes when it
//! could not.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::{self, duration_ns};

/// How often the thread wants to run.
const PERIOD: Duration = Duration::from_millis(1);
/// Shorter delays are the scheduler's ordinary business.
const HICCUP_MIN: Duration = Duration::from_micros(500);
/// Hiccups kept; on a host with more the rest makes no difference.
const HICCUPS_MAX: usize = 100_000;

/// A watch that is running.
pub(super) struct Hiccups {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Hiccup>>,
}

/// The thread wanted to run at `due_ns` and did so `late_ns` later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hiccup {
    pub(super) due_ns: u64,
    pub(super) late_ns: u64,
}

impl Hiccups {
    pub(super) fn watch() -> io::Result<Hiccups> {
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = {
            let is_over = Arc::clone(&is_over);
            thread::Builder::new().name("hiccups".into()).spawn(move || {
                let mut found = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let due_ns = clock::now_ns() + duration_ns(PERIOD);
                    thread::sleep(PERIOD);
                    let late_ns = clock::now_ns().saturating_sub(due_ns);
                    if late_ns >= duration_ns(HICCUP_MIN) && found.len() < HICCUPS_MAX {
                        found.push(Hiccup { due_ns, late_ns });
                    }
                }
                found
            })?
        };
        Ok(Hiccups { is_over, thread })
    }

    /// What was noticed, in order.
    pub(super) fn finish(self) -> Vec<Hiccup> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// The longest hiccup that touches `window`.
pub(super) fn longest_ns(hiccups: &[Hiccup], window: (u64, u64)) -> u64 {
    let touching =
        hiccups.iter().filter(|hiccup| hiccup.due_ns < window.1 && hiccup.due_ns + hiccup.late_ns > window.0);
    touching.map(|hiccup| hiccup.late_ns).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_touches_the_window_counts() {
        let hiccups = [(0, 10), (10, 30), (50, 5), (100, 90)].map(|(due_ns, late_ns)| Hiccup { due_ns, late_ns });
        for (window, expected) in
            [((0, 1000), 90), ((0, 100), 30), ((40, 50), 0), ((39, 50), 30), ((55, 100), 0), ((150, 160), 90)]
        {
            assert_eq!(longest_ns(&hiccups, window), expected, "{window:?}");
        }
    }

    #[test]
    fn a_watch_ends_when_asked() {
        let watch = Hiccups::watch().unwrap();
        thread::sleep(PERIOD);
        assert!(watch.finish().iter().all(|hiccup| hiccup.late_ns >= duration_ns(HICCUP_MIN)));
    }
}
