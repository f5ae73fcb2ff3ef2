//! Does the work of a job: sleeps, burns CPU time, asks the database.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use protocol::server::{Message, Work};

use super::database::Queries;
use super::stop::{Stop, sleep};

/// Does a job on a thread of the pool.
pub(super) fn do_in_pool(work: Work, stop: &Stop, queries: Option<&Queries>) -> Message {
    match work {
        Work::Sleep { ms } => {
            sleep(stop, Duration::from_millis(ms.into()));
            Message::Done
        }
        Work::Burn { us } => burn(us),
        Work::Query { key } => queries.map_or(Message::Failed, |queries| queries.look_up(key)),
    }
}

/// Does a job where the caller is: in the reactor, where everybody waits for its end. It looks up nothing. Says how long it
/// took: a sleep ends late by the timer's slack, and by what it takes to get the CPU back.
pub(crate) fn do_here(work: Work) -> (Message, Duration) {
    let start = Instant::now();
    let message = match work {
        Work::Sleep { ms } => {
            thread::sleep(Duration::from_millis(ms.into()));
            Message::Done
        }
        Work::Burn { us } => burn(us),
        Work::Query { .. } => Message::Failed,
    };
    (message, start.elapsed())
}

/// Uses CPU time, by the thread's own clock: what others take meanwhile does not count.
fn burn(us: u32) -> Message {
    let end = sys::clock::thread_cpu_ns() + u64::from(us) * 1000;
    while sys::clock::thread_cpu_ns() < end {
        // Some steps between two looks, each of which is a system call.
        for step in 0..64_u64 {
            black_box(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
    }
    Message::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_burned_is_burned() {
        let start = sys::clock::thread_cpu_ns();
        let (message, took) = do_here(Work::Burn { us: 3000 });
        assert!(message == Message::Done && took >= Duration::from_millis(3), "{took:?}");
        assert!(sys::clock::thread_cpu_ns() - start >= 3_000_000);
    }
}
