//! Whether the machine is fit for the next run, and the wait until it is.
//!
//! A run begins when none of this holds during a look of 100 ms:
//!
//! | what | limit |
//! |---|---|
//! | tasks waited for a CPU (PSI, `some`) | 20 % of the look |
//! | one of the CPUs of server and load generator worked | 30 % |
//! | the hypervisor had one of them | 20 % |
//! | orphaned TCP sockets | 500 |
//! | connections in TIME-WAIT | 4,000 |
//! | TCP sockets freed but still in the slab allocator | 2,000 and 64 for each CPU |
//! | processes that another `bench` has started | none |
//!
//! A virtual machine loses a few percent of its CPUs all the time, and /proc counts in ticks of 10 ms, so the limits
//! only catch clear disturbances. TIME-WAITs end after a minute, all at once and on the CPU of the server, which costs
//! it some 10 ms for every 10,000. The load generator judges disturbances during a run (checks V5 and V6); such a run
//! stays in the record.

use std::time::{Duration, Instant};

use results::report::{count, percent};

use crate::session::host_state::Look;
use crate::session::places::Places;

/// Covers ten ticks of /proc/stat, and is short compared with the shortest run.
const LOOK: Duration = Duration::from_millis(100);
/// The pause between two looks, which therefore cover a fifth of the waiting time.
const PAUSE: Duration = Duration::from_millis(400);

const PRESSURE_MAX: f64 = 0.20;
const BUSY_MAX: f64 = 0.30;
const STEAL_MAX: f64 = 0.20;
const ORPHANS_MAX: u64 = 500;
const TIME_WAIT_MAX: u64 = 4000;
const SOCKETS_UNDRAINED_MAX: u64 = 2000;
/// Slabs that belong to a CPU count as used, however many of their objects are free (mm/slub.c).
const SOCKETS_UNDRAINED_MAX_PER_CPU: u64 = 64;

/// How a wait ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Waited {
    /// The machine was fit at once.
    Not,
    /// It became fit after this time. The reasons are from the first look.
    For(Duration, String),
    /// It did not become fit in time. The reasons are from the last look.
    InVain(Duration, String),
    /// The user wants the experiment to end.
    Interrupted,
}

/// Waits at most `wait_max` until nothing disturbs. `disturbances` takes a look. `say` gets what it saw while waiting.
pub(crate) fn wait(
    mut disturbances: impl FnMut() -> Vec<String>,
    wait_max: Duration,
    is_stopped: impl Fn() -> bool,
    mut say: impl FnMut(&str),
) -> Waited {
    let start = Instant::now();
    let mut first: Option<String> = None;
    loop {
        let reasons = disturbances().join(", ");
        let elapsed = start.elapsed();
        if is_stopped() {
            return Waited::Interrupted;
        }
        match first {
            None if reasons.is_empty() => return Waited::Not,
            Some(first) if reasons.is_empty() => return Waited::For(elapsed, first),
            _ if elapsed >= wait_max => return Waited::InVain(elapsed, reasons),
            _ => say(&reasons),
        }
        first.get_or_insert(reasons);
        std::thread::sleep(PAUSE.min(wait_max.saturating_sub(elapsed)));
    }
}

/// Looks at this machine. Returns the reasons against a run now.
pub(crate) fn disturbances(places: &Places) -> Vec<String> {
    judge(&Look::take(&[places.server, places.client], LOOK), places.all.len() as u64)
}

/// The reasons against a run now, each as something to wait for.
fn judge(look: &Look, cpu_count: u64) -> Vec<String> {
    let undrained_max = SOCKETS_UNDRAINED_MAX + SOCKETS_UNDRAINED_MAX_PER_CPU * cpu_count;
    let number = |number: u64| count(number as f64);
    let mut reasons = Vec::new();
    if look.busy > BUSY_MAX {
        reasons.push(format!("others that use {} of CPU {}", percent(look.busy), look.busiest_cpu));
    }
    if let Some(pressure) = look.pressure.filter(|pressure| *pressure > PRESSURE_MAX) {
        reasons.push(format!("tasks that wait for a CPU {} of the time", percent(pressure)));
    }
    if look.steal > STEAL_MAX {
        reasons.push(format!("a hypervisor that takes {} of a CPU", percent(look.steal)));
    }
    if look.orphans > ORPHANS_MAX {
        reasons.push(format!("{} orphaned sockets", number(look.orphans)));
    }
    if look.time_wait > TIME_WAIT_MAX {
        reasons.push(format!("{} TIME_WAIT", number(look.time_wait)));
    }
    if let Some(undrained) = look.sockets_undrained.filter(|undrained| *undrained > undrained_max) {
        reasons.push(format!("{} closed sockets that the kernel has not freed", number(undrained)));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clear_disturbances_count() {
        let quiet = Look {
            pressure: Some(0.20),
            steal: 0.20,
            busy: 0.30,
            orphans: 500,
            time_wait: 4000,
            sockets_undrained: Some(2128),
            busiest_cpu: 0,
        };
        for (look, expected) in [
            (quiet.clone(), ""),
            (Look { pressure: None, sockets_undrained: None, ..quiet.clone() }, ""),
            (Look { busy: 0.47, busiest_cpu: 1, ..quiet.clone() }, "others that use 47 % of CPU 1"),
            (Look { pressure: Some(0.31), ..quiet.clone() }, "tasks that wait for a CPU 31 % of the time"),
            (Look { steal: 0.3, ..quiet.clone() }, "a hypervisor that takes 30 % of a CPU"),
            (Look { orphans: 501, ..quiet.clone() }, "501 orphaned sockets"),
            (Look { time_wait: 4200, orphans: 600, ..quiet.clone() }, "600 orphaned sockets, 4,200 TIME_WAIT"),
            (Look { sockets_undrained: Some(2129), ..quiet }, "2,129 closed sockets that the kernel has not freed"),
        ] {
            assert_eq!(judge(&look, 2).join(", "), expected);
        }
    }

    #[test]
    fn a_wait_ends_when_all_is_quiet_or_the_time_is_over_or_somebody_wants_it() {
        let busy = || vec!["others".to_owned()];
        let mut said = Vec::new();
        assert_eq!(wait(Vec::new, Duration::ZERO, || false, |_| panic!("nothing to say")), Waited::Not);
        assert_eq!(wait(busy, Duration::ZERO, || true, |_| {}), Waited::Interrupted);
        let waited = wait(busy, Duration::ZERO, || false, |_| panic!("no wait"));
        assert!(matches!(&waited, Waited::InVain(_, reasons) if reasons == "others"), "{waited:?}");
        let mut looks = [busy(), vec![]].into_iter();
        let waited = wait(|| looks.next().unwrap(), Duration::MAX, || false, |reasons| said.push(reasons.to_owned()));
        assert!(matches!(&waited, Waited::For(_, reasons) if reasons == "others"), "{waited:?}");
        assert_eq!(said, ["others"]);
    }
}
