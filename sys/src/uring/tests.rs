//! Rings and buffers against the kernel of the host.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use crate::uring::{BUFFERS, Completion, Filled, GROUP, Gather, ProvidedBuffers, Ring, Sizes};

/// Ends a test that hangs; measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// `None` if this host has no io_uring; with `CI` set, that is a failure.
fn open(submissions: u32) -> Option<(Ring, ProvidedBuffers)> {
    match Ring::open(Sizes { submissions, completions: 64, descriptors: 16 }) {
        Ok(opened) => Some(opened),
        Err(error) if std::env::var_os("CI").is_some() => panic!("CI must be able to test it: {error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn nop(user_data: u64) -> squeue::Entry {
    opcode::Nop::new().build().user_data(user_data)
}

/// After the ring's descriptor number was given to another file, an enter by descriptor fails. So every call
/// that still works enters by index; the test tries all of them.
#[test]
fn every_enter_goes_by_the_registered_index() {
    let Some((mut ring, _buffers)) = open(4) else { return };
    let null = std::fs::File::open("/dev/null").expect("a null device");
    // SAFETY: both descriptors are open, and the ring's stays open: it only means something else now.
    let replaced = unsafe { libc::dup2(null.as_raw_fd(), ring.descriptor()) };
    assert_eq!(replaced, ring.descriptor());
    assert!(ring.enter_by_descriptor().is_err(), "the descriptor still is the ring's");
    let mut completions = Vec::new();
    let gather = Gather { count: 6, wait_us_max: 50 };
    for (gather, wait_max) in
        [(None, None), (None, Some(Duration::ZERO)), (None, Some(PATIENCE)), (Some(gather), Some(PATIENCE))]
    {
        completions.clear();
        // Six do not fit a queue of four: one enter is a push's.
        // SAFETY: no entry holds an address.
        let enters: u64 = (0..6).map(|number| unsafe { ring.push(&nop(number)) }).sum();
        assert!(enters > 0, "the queue was never full");
        let result = match gather {
            Some(gather) => ring.submit_and_gather(gather, wait_max, &mut completions),
            None => ring.submit_and_wait(wait_max, &mut completions),
        };
        result.expect("an enter");
        assert_eq!(completions.iter().map(|completion| completion.user_data).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    }
    assert!(ring.quiesce(), "an enter of the end");
}

/// A thread may register 16 rings. Each registration holds its ring open, with all that is in it, until it is
/// given back.
#[test]
fn a_ring_that_is_dropped_is_gone() {
    for _ in 0..40 {
        let Some((mut ring, _buffers)) = open(4) else { return };
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        ring.place(0, ours.as_fd()).expect("a free place");
        drop(ours);
        drop(ring);
        theirs.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
        let end = loop {
            match theirs.read(&mut [0]) {
                // The kernel releases a closed ring in the thread that used it, and wakes the thread for
                // that.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                end => break end,
            }
        };
        assert_eq!(end.expect("the ring holds the socket"), 0);
    }
}

/// One receive that stays armed, and the two ends of its connection.
fn receiving() -> Option<(Ring, ProvidedBuffers, UnixStream)> {
    let (mut ring, buffers) = open(4)?;
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    ring.place(0, ours.as_fd()).expect("a free place");
    // SAFETY: the entry holds no address.
    unsafe { ring.push(&opcode::RecvMulti::new(Fixed(0), GROUP).build()) };
    Some((ring, buffers, theirs))
}

/// Sends each of `messages` and takes the buffer it arrives in.
fn exchange(ring: &mut Ring, theirs: &mut UnixStream, messages: &[&[u8]]) -> Vec<Filled> {
    let mut completions = Vec::new();
    messages.iter().for_each(|message| {
        let before = completions.len();
        theirs.write_all(message).expect("room for a message");
        while completions.len() == before {
            ring.submit_and_wait(Some(PATIENCE), &mut completions).expect("a wait");
        }
    });
    completions.iter_mut().filter_map(Completion::take_buffer).collect()
}

#[test]
fn a_buffer_is_had_once_and_outlives_its_ring() {
    let Some((mut ring, mut buffers, mut theirs)) = receiving() else { return };
    let mut filled = exchange(&mut ring, &mut theirs, &[b"one", b"two"]);
    assert_eq!(buffers.content(&filled[0]), b"one");
    buffers.release(filled.remove(0));
    drop(ring);
    assert_eq!(buffers.content(&filled[0]), b"two");
    buffers.release(filled.remove(0));
}

#[test]
fn buffers_go_round() {
    let Some((mut ring, mut buffers, mut theirs)) = receiving() else { return };
    for number in 0..3 * u32::from(BUFFERS) {
        let message = number.to_le_bytes();
        let mut filled = exchange(&mut ring, &mut theirs, &[&message]);
        assert_eq!(buffers.content(&filled[0]), message);
        buffers.release(filled.remove(0));
    }
}

/// The kernel does not write to a buffer that somebody holds: with all of them held, a receive ends.
#[test]
fn a_buffer_that_is_held_is_not_filled() {
    let Some((mut ring, mut buffers, mut theirs)) = receiving() else { return };
    let messages: Vec<[u8; 4]> = (0..u32::from(BUFFERS)).map(u32::to_le_bytes).collect();
    let messages: Vec<&[u8]> = messages.iter().map(<[u8; 4]>::as_slice).collect();
    let mut filled = exchange(&mut ring, &mut theirs, &messages);
    let mut completions = Vec::new();
    assert_eq!(arm_and_send(&mut ring, &mut theirs, &mut completions), -libc::ENOBUFS, "a buffer too many");
    buffers.release(filled.remove(3));
    assert_eq!(arm_and_send(&mut ring, &mut theirs, &mut completions), 1);
    for (held, message) in filled.iter().zip(messages.iter().enumerate().filter(|(number, _)| *number != 3)) {
        assert_eq!(buffers.content(held), *message.1, "the kernel wrote to a buffer that is not its own");
    }
}

/// The result of a receive that is armed now and finds a byte.
fn arm_and_send(ring: &mut Ring, theirs: &mut UnixStream, completions: &mut Vec<Completion>) -> i32 {
    completions.clear();
    theirs.set_nonblocking(true).expect("a socket");
    // If the socket is full, bytes of the attempt before suffice.
    let _ = theirs.write(b"x");
    let entry = opcode::Recv::new(Fixed(0), std::ptr::null_mut(), 1).buf_group(GROUP).build();
    // SAFETY: the entry holds no address.
    unsafe { ring.push(&entry.flags(squeue::Flags::BUFFER_SELECT).user_data(7)) };
    loop {
        ring.submit_and_wait(Some(PATIENCE), completions).expect("a wait");
        if let Some(mine) = completions.iter().find(|completion| completion.user_data == 7) {
            return mine.result;
        }
    }
}

#[test]
#[should_panic(expected = "filled.ring == self.ring")]
fn bytes_of_another_ring_are_refused() {
    let (Some((mut ring, _, mut theirs)), Some((_other, mut buffers))) = (receiving(), open(4)) else {
        panic!("skipped: filled.ring == self.ring");
    };
    let mut filled = exchange(&mut ring, &mut theirs, &[b"one"]);
    buffers.release(filled.remove(0));
}

#[test]
fn a_ring_becomes_quiet() {
    let Some((mut ring, _buffers, _theirs)) = receiving() else { return };
    let time = io_uring::types::Timespec::new().sec(3600);
    // SAFETY: the time lives to the end of this function, and `quiesce` is asked before.
    unsafe { ring.push(&opcode::Timeout::new(&time).build()) };
    ring.submit_and_wait(Some(Duration::ZERO), &mut Vec::new()).expect("a wait");
    assert!(ring.quiesce());
    // Nothing is left that could complete.
    let mut completions = Vec::new();
    ring.submit_and_wait(Some(Duration::from_millis(20)), &mut completions).expect("a wait");
    assert!(completions.is_empty(), "{completions:?}");
}

/// A wait for several becomes a wait for one when its first part is over. A completion at exactly that moment
/// must end it too: the other thread writes about 50 µs after the wait began, sometimes just before and
/// sometimes just after that moment.
#[test]
fn a_completion_at_the_turn_of_a_wait_ends_it() {
    const ROUNDS: u32 = 3000;
    let Some((mut ring, _buffers)) = open(4) else { return };
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    let (begun, begins) = std::sync::mpsc::channel::<u32>();
    let writer = std::thread::spawn(move || {
        for round in begins {
            let start = std::time::Instant::now();
            while start.elapsed() < Duration::from_micros(u64::from(round % 120)) {}
            theirs.write_all(b"x").expect("room for a byte");
        }
    });
    let (mut completions, mut late) = (Vec::new(), Vec::new());
    let mut ours = ours;
    for round in 0..ROUNDS {
        let entry = opcode::PollAdd::new(io_uring::types::Fd(ours.as_raw_fd()), libc::POLLIN as u32).build();
        // SAFETY: the entry holds no address.
        unsafe { ring.push(&entry) };
        completions.clear();
        begun.send(round).expect("the writer listens");
        let start = std::time::Instant::now();
        // A lost wake-up would sleep to the end.
        ring.submit_and_gather(Gather { count: 64, wait_us_max: 50 }, Some(PATIENCE), &mut completions)
            .expect("a wait");
        if start.elapsed() > PATIENCE / 2 || completions.len() != 1 {
            late.push((round, start.elapsed(), completions.len()));
        }
        ours.read_exact(&mut [0]).expect("a byte");
    }
    drop(begun);
    writer.join().expect("no panic");
    assert!(late.is_empty(), "{late:?}");
}
