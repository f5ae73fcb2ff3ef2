//! The eBPF program that counts what it sees and returns the count modulo the number of reactors.
//!
//! It runs for segments that match no connection and no pending handshake: SYNs, and the rare stray segment,
//! which skips a turn. A retransmitted SYN finds its handshake and is not counted.

use std::os::fd::{AsRawFd, OwnedFd};

use sys::bpf::Instruction;

/// Operation codes (linux/bpf.h, and RFC 9669 for what they do).
const LOAD_IMMEDIATE_64: u8 = 0x18;
const MOVE_64: u8 = 0xb7;
const ATOMIC_64: u8 = 0xdb;
const MODULO_64: u8 = 0x97;
const EXIT: u8 = 0x95;
/// In the source register of a load: load the address of the first value of the map whose descriptor is the
/// immediate (BPF_PSEUDO_MAP_VALUE, Linux 5.2). It needs no call and no null check.
const MAP_VALUE: u8 = 2;
/// The immediate of an atomic operation: add, and fetch the old value (BPF_FETCH, Linux 5.12). Without the
/// fetch, two CPUs could read the same count.
const ADD_AND_FETCH: i32 = 0x01;

/// For `reactors` ≥ 1 and a counter that starts at any value. 64 bits do not wrap.
pub(super) fn program(counter: &OwnedFd, reactors: i32) -> [Instruction; 6] {
    const RESULT: u8 = 0;
    const ADDRESS: u8 = 1;
    [
        Instruction::new(LOAD_IMMEDIATE_64, ADDRESS, MAP_VALUE, counter.as_raw_fd()),
        Instruction::new(0, 0, 0, 0),
        Instruction::new(MOVE_64, RESULT, 0, 1),
        Instruction::new(ATOMIC_64, ADDRESS, RESULT, ADD_AND_FETCH),
        Instruction::new(MODULO_64, RESULT, 0, reactors),
        Instruction::new(EXIT, 0, 0, 0),
    ]
}
