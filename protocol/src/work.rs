//! Counts the bytes that the parsers scan, so that tests can tell linear from quadratic work without a clock.

use std::cell::Cell;

thread_local! {
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// A parser is about to scan `count` bytes.
pub(crate) fn add(count: usize) {
    BYTES.set(BYTES.get() + count as u64);
}

/// What was counted on this thread since the last call.
pub(crate) fn take() -> u64 {
    BYTES.take()
}
