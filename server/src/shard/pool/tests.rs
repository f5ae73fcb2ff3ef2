//! What the pool promises: contents are kept, limits hold, all sizes share one memory, and memory goes back.

use super::*;

#[test]
fn content_survives_growth_through_every_class() {
    let mut pool = BufferPool::new(8 << 20);
    let mut expected = Vec::new();
    let mut buffer = pool.take(b"", 0).unwrap();
    let mut number = 0u32;
    while expected.len() + 100 < BUFFER_LEN_MAX {
        let piece: Vec<u8> = (0..97).map(|n| (number + n) as u8).collect();
        pool.append(&mut buffer, &piece).unwrap();
        expected.extend_from_slice(&piece);
        number += 1;
    }
    assert_eq!(pool.content(&buffer), expected);
    buffer.advance(1000);
    assert_eq!(pool.content(&buffer), &expected[1000..]);
    assert_eq!(pool.append(&mut buffer, &[0; 500]).err(), None);
    pool.give_back(buffer);
    assert_eq!(pool.usage().used, 0);
}

#[test]
fn buffers_do_not_overlap() {
    let mut pool = BufferPool::new(64 << 20);
    for len in CLASS_LEN.into_iter().chain([CHUNK_LEN + 1, BUFFER_LEN_MAX]) {
        let buffers: Vec<Buffer> = (0..70u8).filter_map(|n| pool.take(&vec![n; len], len).ok()).collect();
        assert!(buffers.len() > 50, "{len}");
        for (n, buffer) in buffers.iter().enumerate() {
            assert!(pool.content(buffer).iter().all(|byte| usize::from(*byte) == n), "class of {len}");
        }
        buffers.into_iter().for_each(|buffer| pool.give_back(buffer));
    }
}

/// Takes buffers of `len` until there are none.
fn fill(pool: &mut BufferPool, len: usize) -> Vec<Buffer> {
    std::iter::from_fn(|| pool.take(&[], len).ok()).collect()
}

#[test]
fn the_memory_limit_holds_and_what_is_given_back_serves_every_size() {
    let mut pool = BufferPool::new(MEMORY_LEN_MIN);
    for len in [1, CHUNK_LEN, 300, BUFFER_LEN_MAX, 5000, 256, CHUNK_LEN] {
        let buffers = fill(&mut pool, len);
        let taken: usize = buffers.iter().map(|buffer| pool.capacity(buffer)).sum();
        assert!(taken > MEMORY_LEN_MIN / 8 * 5, "{taken} bytes in buffers of {len}: the rest belongs to other sizes");
        assert!(pool.usage().memory_len <= MEMORY_LEN_MIN);
        assert_eq!(pool.take(b"x", BUFFER_LEN_MAX + 1).err(), Some(Exhausted));
        buffers.into_iter().for_each(|buffer| pool.give_back(buffer));
    }
    assert_eq!(pool.usage().memory_len_peak, MEMORY_LEN_MIN);
}

#[test]
fn hogs_leave_the_reserve_to_short_buffers() {
    let mut pool = BufferPool::new(MEMORY_LEN_MIN);
    let hogs = fill(&mut pool, CHUNK_LEN);
    assert!(pool.is_low() && pool.pressure() > 0);
    let short = fill(&mut pool, 100);
    assert!(short.len() * 256 >= MEMORY_LEN_MIN / 8, "{} short buffers", short.len());
    hogs.into_iter().chain(short).for_each(|buffer| pool.give_back(buffer));
    assert!(!pool.is_low() && pool.pressure() == 0);
}

#[test]
fn memory_goes_back_to_the_kernel() {
    let mut pool = BufferPool::new(256 << 20);
    for len in [100, CHUNK_LEN, 200_000] {
        let buffers: Vec<Buffer> = (0..600).map(|_| pool.take(&[1], len).unwrap()).collect();
        // Mixed, to show that no order is needed.
        let (even, odd): (Vec<_>, Vec<_>) = buffers.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
        even.into_iter().chain(odd.into_iter().rev()).for_each(|(_, buffer)| pool.give_back(buffer));
        let usage = pool.usage();
        assert!(usage.memory_len <= (EMPTY_MAX + LONG) * CHUNK_LEN, "{usage:?}");
        assert!(usage.memory_in_use <= LONG * CHUNK_LEN, "{usage:?}");
    }
    assert!(pool.usage().memory_len_peak > 100 << 20);
}

#[test]
fn what_the_kernel_refuses_is_the_limit_from_then_on() {
    let mut pool = BufferPool::new(1 << 30);
    let mut hogs: Vec<Buffer> = (0..200).map(|_| pool.take(&[], CHUNK_LEN).unwrap()).collect();
    // No kernel has this much. No buffer is this long, so the test calls `map` directly.
    assert_eq!(pool.map(1 << 60).err(), Some(Exhausted));
    assert_eq!(pool.memory_len_max(), 200 * CHUNK_LEN);
    assert!(pool.pressure() > 0 && pool.is_low());
    assert_eq!(pool.take(&[], CHUNK_LEN).err(), Some(Exhausted));
    hogs.drain(..).for_each(|buffer| pool.give_back(buffer));
    assert_eq!((pool.pressure(), pool.usage().refusals), (0, 1));
    // The shortage passes.
    (0..10).for_each(|_| pool.recover());
    assert_eq!(pool.memory_len_max(), 1 << 30);
}

#[test]
fn a_buffer_that_leaves_does_not_press() {
    let mut pool = BufferPool::new(MEMORY_LEN_MIN);
    let mut hogs = fill(&mut pool, CHUNK_LEN);
    let pressure = pool.pressure();
    let gone: Vec<Buffer> = hogs.drain(..pressure.div_ceil(CHUNK_LEN)).collect();
    gone.iter().for_each(|buffer| pool.leave(buffer));
    assert_eq!(pool.pressure(), 0);
    assert!(pool.is_low(), "it is not free yet");
    gone.into_iter().for_each(|buffer| pool.give_back_left(buffer));
    assert!(!pool.is_low());
    hogs.into_iter().for_each(|buffer| pool.give_back(buffer));
    assert_eq!(pool.leaving, 0);
}

/// Buffers come and go with every request of a busy server; no chunk may change its class because of that.
#[test]
fn a_steady_state_takes_nothing_from_the_kernel() {
    let mut pool = BufferPool::new(MEMORY_LEN_MIN);
    let first = pool.take(b"reply", 5).unwrap();
    let address = pool.content(&first).as_ptr();
    pool.give_back(first);
    for _ in 0..1000 {
        let buffer = pool.take(b"reply", 5).unwrap();
        assert_eq!(pool.content(&buffer).as_ptr(), address);
        pool.give_back(buffer);
        assert_eq!(pool.usage().memory_len, CHUNK_LEN);
    }
}
