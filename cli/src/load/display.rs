//! The live display of a run: a few lines on stderr, redrawn in place during the run. It is shown only on a terminal,
//! without colours, and disappears when the run is over.
//!
//! Between two drawings the cursor rests at the top left of the display. So the next drawing overwrites the `^C` that
//! the terminal echoes there. A terminal that became narrower may have broken lines in two; erasing everything below
//! the cursor cleans that up. (indicatif counts lines up from the end, and leaves remains of broken lines.)

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use loadgen::record::Interval;
use loadgen::{Mode, Options, Phase, Snapshot, WarmUp};
use rustix::termios::tcgetwinsize;

/// Eight drawings a second. More could not be read, and they cost CPU time during the measurement.
const PERIOD: Duration = Duration::from_millis(125);
/// The period over which the displayed rate is measured, approximately.
const RATE_PERIOD: Duration = Duration::from_secs(1);
/// Width of the bar.
const BAR_LEN: usize = 20;
/// Maximum length of a line, however wide the terminal is.
const LINE_LEN_MAX: usize = 78;

/// The display of one run.
pub(super) struct Display {
    /// Absent when there is no terminal to draw on.
    drawn_at: Option<Instant>,
    plan: Plan,
    rate: Rate,
}

/// What is known of a run before it begins.
#[derive(Debug, Clone)]
struct Plan {
    /// Names this run if it is one of several.
    title: Option<String>,
    connections: u64,
    /// Absent when the warm-up lasts until the response time is steady.
    warmup: Option<Duration>,
    duration: Duration,
    /// The run ends after so many requests, if that comes first.
    requests: Option<u64>,
    is_idle: bool,
}

impl Display {
    /// A display for one run. `title` names the run if it is one of several.
    pub(super) fn new(options: &Options, title: Option<String>, is_quiet: bool) -> Display {
        // terminfo(5): a dumb terminal cannot move its cursor.
        let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        let is_shown = !is_quiet && !is_dumb && std::io::stderr().is_terminal();
        let plan = Plan {
            title,
            connections: u64::from(options.connections),
            warmup: match options.warmup {
                WarmUp::Fixed(length) => Some(length),
                WarmUp::UntilSteady(_) => None,
            },
            duration: options.window(),
            requests: options.requests,
            is_idle: options.mode() == Mode::Idle,
        };
        // Makes the first call draw.
        let drawn_at = is_shown.then(|| Instant::now().checked_sub(PERIOD)).flatten();
        Display { drawn_at, plan, rate: Rate::default() }
    }

    /// Draws what is known now, unless it has just drawn. Called about 50 times a second.
    pub(super) fn show(&mut self, snapshot: &Snapshot<'_>, stop: &AtomicBool) {
        let now = Instant::now();
        let Some(drawn_at) = self.drawn_at else { return };
        if now.duration_since(drawn_at) < PERIOD {
            return;
        }
        self.drawn_at = Some(now);
        self.rate.look(now, snapshot);
        let (width, height) = size();
        let lines = if stop.load(Ordering::Relaxed) {
            // One line only, because a second signal ends the program before it can erase the display.
            vec![truncate("stopping: waiting for replies", width)]
        } else {
            lines(&self.plan, snapshot, self.rate.per_second, width)
        };
        draw(&lines[..lines.len().min(height)]);
    }

    /// Erases the display.
    pub(super) fn finish(&self) {
        if self.drawn_at.is_some() {
            draw(&[]);
        }
    }
}

/// The columns to use and the rows of the terminal. The last column stays free, because a terminal wraps after it.
fn size() -> (usize, usize) {
    let (columns, rows) = tcgetwinsize(std::io::stderr()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    // A terminal that does not know its size reports 0 (tty_ioctl(4)).
    let columns = if columns == 0 { 80 } else { usize::from(columns) };
    let rows = if rows == 0 { 24 } else { usize::from(rows) };
    ((columns - 1).min(LINE_LEN_MAX), rows)
}

/// Replaces everything below the cursor, and puts the cursor back. ECMA-48: EL erases to the end of the line, ED to
/// the end of the screen, CUU moves up.
fn draw(lines: &[String]) {
    let up = match lines.len() {
        0 | 1 => String::new(),
        count => format!("\x1b[{}A", count - 1),
    };
    let text = format!("\r{}\x1b[J\r{up}", lines.join("\x1b[K\r\n"));
    // One write, so that half a drawing never shows. An error must not end the run, so it is ignored.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Replies a second, over the last second or so.
#[derive(Debug, Default)]
struct Rate {
    per_second: Option<f64>,
    mark: Option<(Instant, u64)>,
}

impl Rate {
    fn look(&mut self, now: Instant, snapshot: &Snapshot<'_>) {
        let (since, completed) = *self.mark.get_or_insert((now, snapshot.completed));
        let passed = now.duration_since(since);
        if passed >= RATE_PERIOD {
            self.per_second = Some(snapshot.completed.saturating_sub(completed) as f64 / passed.as_secs_f64());
            self.mark = Some((now, snapshot.completed));
        }
    }
}

/// The display as lines of at most `width` characters.
fn lines(plan: &Plan, snapshot: &Snapshot<'_>, rate: Option<f64>, width: usize) -> Vec<String> {
    let mut lines = vec![progress(plan, snapshot)];
    let last = snapshot.last;
    if !plan.is_idle && snapshot.phase != Phase::Connecting {
        let rate = rate.map_or("-".to_owned(), |rate| tuning::thousands(rate as u64));
        let quantiles = last.map(|interval| interval.response_us).unwrap_or_default();
        lines.push(format!(
            "{rate}/s   p50 {}   p99 {}   p99.9 {}",
            time(quantiles.p50),
            time(quantiles.p99),
            time(quantiles.p99_9)
        ));
    }
    let mut counts =
        format!("open {}/{}", tuning::thousands(snapshot.connections_open), tuning::thousands(plan.connections));
    if let Some(Interval { in_flight, waiting, lateness_us, .. }) = last {
        counts += &format!("   in flight {}", tuning::thousands(*in_flight));
        if *waiting > 0 {
            counts += &format!("   waiting {}", tuning::thousands(*waiting));
        }
        counts += &format!("   late p99 {}", time(lateness_us.p99));
    }
    counts += &format!("   errors {}", tuning::thousands(snapshot.failed));
    lines.push(counts);
    lines.iter().map(|line| truncate(line, width)).collect()
}

/// The phase of the run, the share that is done, and the time left.
fn progress(plan: &Plan, snapshot: &Snapshot<'_>) -> String {
    let warmup = plan.warmup.unwrap_or_default();
    let total = warmup + plan.duration;
    let (name, done, left) = match snapshot.phase {
        Phase::Connecting => ("connecting", snapshot.connections_open as f64 / plan.connections.max(1) as f64, None),
        Phase::WarmingUp if plan.warmup.is_none() => ("warming up", 0.0, None),
        Phase::Measuring if let Some(requests) = plan.requests => {
            ("measuring", (snapshot.completed + snapshot.failed) as f64 / requests.max(1) as f64, None)
        }
        phase @ (Phase::WarmingUp | Phase::Measuring) => {
            let (name, before) =
                if phase == Phase::WarmingUp { ("warming up", Duration::ZERO) } else { ("measuring", warmup) };
            let position = (before + snapshot.elapsed).min(total);
            (name, position.as_secs_f64() / total.as_secs_f64().max(1e-9), Some(total - position))
        }
        Phase::Finishing => ("finishing", 1.0, None),
    };
    let filled = (done.clamp(0.0, 1.0) * BAR_LEN as f64).round() as usize;
    let bar = "█".repeat(filled) + &"░".repeat(BAR_LEN - filled);
    let left = left.map_or(String::new(), |left| format!("   {} left", clock(left)));
    let title = plan.title.as_ref().map_or(String::new(), |title| format!("   {title}"));
    format!("{name:<10} {bar}{left}{title}")
}

/// Seconds, or minutes and seconds.
fn clock(left: Duration) -> String {
    let seconds = left.as_secs_f64().ceil() as u64;
    if seconds < 60 { format!("{seconds} s") } else { format!("{}:{:02} min", seconds / 60, seconds % 60) }
}

/// A time in its own unit, because the lines have no room for a common one.
fn time(us: Option<f64>) -> String {
    let Some(us) = us else { return "-".to_owned() };
    let (value, unit) = match us {
        us if us < 1e3 => (us, "us"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// The first `width` characters; an ellipsis shows that more were cut off. Every character used here takes one column.
fn truncate(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen::record::Quantiles;

    fn plan() -> Plan {
        Plan {
            title: None,
            connections: 1000,
            warmup: Some(Duration::from_secs(5)),
            duration: Duration::from_secs(75),
            requests: None,
            is_idle: false,
        }
    }

    fn interval() -> Interval {
        Interval {
            in_flight: 64,
            response_us: Quantiles { p50: Some(123.4), p99: Some(4567.0), ..Quantiles::default() },
            lateness_us: Quantiles { p99: Some(1.25), ..Quantiles::default() },
            ..Interval::default()
        }
    }

    fn snapshot(phase: Phase, seconds: u64, last: Option<&Interval>) -> Snapshot<'_> {
        let elapsed = Duration::from_secs(seconds);
        Snapshot { phase, elapsed, connections_open: 250, completed: 0, failed: 3, last }
    }

    #[test]
    fn each_phase_in_60_columns() {
        let interval = interval();
        for (snapshot, expected) in [
            (
                snapshot(Phase::Connecting, 1, None),
                vec!["connecting █████░░░░░░░░░░░░░░░", "open 250/1,000   errors 3"],
            ),
            (
                snapshot(Phase::WarmingUp, 4, None),
                vec![
                    "warming up █░░░░░░░░░░░░░░░░░░░   1:16 min left",
                    "12,345/s   p50 -   p99 -   p99.9 -",
                    "open 250/1,000   errors 3",
                ],
            ),
            (
                snapshot(Phase::Measuring, 35, Some(&interval)),
                vec![
                    "measuring  ██████████░░░░░░░░░░   40 s left",
                    "12,345/s   p50 123 us   p99 4.6 ms   p99.9 -",
                    "open 250/1,000   in flight 64   late p99 1.2 us   errors 3",
                ],
            ),
            (
                snapshot(Phase::Finishing, 1, Some(&interval)),
                vec![
                    "finishing  ████████████████████",
                    "12,345/s   p50 123 us   p99 4.6 ms   p99.9 -",
                    "open 250/1,000   in flight 64   late p99 1.2 us   errors 3",
                ],
            ),
        ] {
            assert_eq!(lines(&plan(), &snapshot, Some(12_345.6), 60), expected);
        }
    }

    #[test]
    fn a_queue_is_shown_while_there_is_one() {
        let interval = Interval { waiting: 1234, ..interval() };
        let lines = lines(&plan(), &snapshot(Phase::Measuring, 35, Some(&interval)), None, 78);
        assert_eq!(lines[2], "open 250/1,000   in flight 64   waiting 1,234   late p99 1.2 us   errors 3");
    }

    #[test]
    fn a_narrow_terminal_truncates_instead_of_wrapping() {
        let interval = interval();
        for width in [0, 1, 10, 39, 59] {
            for line in lines(&plan(), &snapshot(Phase::Measuring, 3, Some(&interval)), None, width) {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
        let narrow = lines(&plan(), &snapshot(Phase::Measuring, 3, Some(&interval)), None, 39);
        assert_eq!(narrow[2], "open 250/1,000   in flight 64   late p…");
    }

    #[test]
    fn idle_connections_have_no_rate() {
        let plan = Plan { is_idle: true, title: Some("a title".into()), ..plan() };
        let found = lines(&plan, &snapshot(Phase::Measuring, 75, None), Some(0.0), 60);
        assert_eq!(found, ["measuring  ████████████████████   0 s left   a title", "open 250/1,000   errors 3"]);
    }

    #[test]
    fn counted_requests_are_the_measure_of_progress() {
        let plan = Plan { requests: Some(12), ..plan() };
        let snapshot = Snapshot { completed: 3, ..snapshot(Phase::Measuring, 3600, None) };
        assert_eq!(lines(&plan, &snapshot, None, 60)[0], "measuring  ██████████░░░░░░░░░░");
    }

    #[test]
    fn times_in_their_units() {
        for (us, expected) in [
            (None, "-"),
            (Some(0.04), "0.0 us"),
            (Some(9.94), "9.9 us"),
            (Some(999.4), "999 us"),
            (Some(1500.0), "1.5 ms"),
            (Some(60_000_000.0), "60 s"),
        ] {
            assert_eq!(time(us), expected);
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        let mut rate = Rate::default();
        let start = Instant::now();
        for (ms, completed, expected) in [
            (0, 1000, None),
            (500, 2000, None),
            (1000, 3000, Some(2000.0)),
            (1500, 9000, Some(2000.0)),
            (3000, 3000, Some(0.0)),
        ] {
            let snapshot = Snapshot { completed, ..snapshot(Phase::Measuring, 0, None) };
            rate.look(start + Duration::from_millis(ms), &snapshot);
            assert_eq!(rate.per_second, expected, "at {ms} ms");
        }
    }
}
