//! Work beside a load is cut into small pieces with pauses between them.
//!
//! On a host without a spare CPU, the main thread shares one with a worker. A piece of work holds that CPU;
//! if each is shorter than the lateness that counts (100 µs), none makes a worker late.

use std::time::Duration;

/// Between two pieces: long enough for a worker to catch up.
const PAUSE: Duration = Duration::from_micros(500);

/// Lets the workers have the CPU.
pub(crate) fn between_bites() {
    std::thread::sleep(PAUSE);
}
