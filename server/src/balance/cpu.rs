//! The classic BPF program that returns a reactor pinned to the CPU it runs on.
//!
//! That is the CPU that handles the SYN: the one that took the network card's interrupt, or to which RPS
//! moved the segment; on loopback, the client's CPU.

use std::collections::BTreeMap;

/// Longest classic program that the kernel takes. 1,024 reactors fit however they share CPUs: the worst case
/// is two per CPU, with 3.5 instructions per reactor.
pub(super) const INSTRUCTIONS_MAX: usize = libc::BPF_MAXINSNS as usize;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const MODULO: u16 = (libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const RETURN_A: u16 = (libc::BPF_RET | libc::BPF_A) as u16;

/// Loads from these addresses return facts about the segment, not its bytes (linux/filter.h).
const CPU: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_CPU) as u32;
const RANDOM: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_RANDOM) as u32;

/// The program for reactors pinned to `cpus`, at least one, in the order of their index. A CPU with several
/// reactors chooses one at random, since a classic program has no memory. A CPU without any takes its number
/// modulo the number of reactors.
pub(super) fn program(cpus: &[usize]) -> Vec<libc::sock_filter> {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut reactors_of = BTreeMap::<usize, Vec<u32>>::new();
    for (index, cpu) in cpus.iter().enumerate() {
        reactors_of.entry(*cpu).or_default().push(index as u32);
    }
    let mut program = vec![step(LOAD, 0, 0, CPU)];
    for (cpu, reactors) in &reactors_of {
        let chosen = one_of(reactors);
        // A conditional jump spans at most 255 instructions, an unconditional one any number.
        program.push(step(JUMP_EQUAL, 1, 0, *cpu as u32));
        program.push(step(JUMP, 0, 0, chosen.len() as u32));
        program.extend(chosen);
    }
    program.push(step(MODULO, 0, 0, cpus.len() as u32));
    program.push(step(RETURN_A, 0, 0, 0));
    program
}

/// Returns one of `reactors` at random. Nothing runs after it.
fn one_of(reactors: &[u32]) -> Vec<libc::sock_filter> {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let (last, others) = reactors.split_last().expect("a CPU in the table has a reactor");
    let mut program = Vec::new();
    if !others.is_empty() {
        program.extend([step(LOAD, 0, 0, RANDOM), step(MODULO, 0, 0, reactors.len() as u32)]);
    }
    for (number, index) in others.iter().enumerate() {
        program.extend([step(JUMP_EQUAL, 0, 1, number as u32), step(RETURN, 0, 0, *index)]);
    }
    program.push(step(RETURN, 0, 0, *last));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do (linux/filter.h). Jumps only go forward, so it ends.
    fn run(program: &[libc::sock_filter], cpu: u32, random: u32) -> u32 {
        let (mut accumulator, mut at) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match step.code {
                LOAD => accumulator = if step.k == CPU { cpu } else { random },
                MODULO => accumulator %= step.k,
                JUMP => at += step.k as usize,
                JUMP_EQUAL => at += usize::from(if accumulator == step.k { step.jt } else { step.jf }),
                RETURN => return step.k,
                RETURN_A => return accumulator,
                code => panic!("no instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn every_cpu_finds_a_reactor_of_its_own() {
        let check = |cpus: &[usize]| {
            let program = program(cpus);
            assert!(program.len() <= INSTRUCTIONS_MAX, "{} reactors: {}", cpus.len(), program.len());
            for cpu in 0..2100 {
                let own = |index: &usize| cpus[*index] == cpu as usize;
                let expected: Vec<usize> = (0..cpus.len()).filter(own).collect();
                let mut found: Vec<usize> =
                    (0..expected.len().max(1) as u32).map(|random| run(&program, cpu, random) as usize).collect();
                found.sort_unstable();
                match expected.is_empty() {
                    true => assert_eq!(found, [cpu as usize % cpus.len()], "CPU {cpu} without a reactor"),
                    false => assert_eq!(found, expected, "CPU {cpu} of {cpus:?}"),
                }
            }
        };
        check(&[0]);
        check(&[5]);
        check(&[0, 1, 2, 3]);
        check(&[3, 1, 2, 0]);
        check(&[0, 1, 0, 1, 0]);
        check(&[7, 7, 3, 9, 7]);
        for reactors_per_cpu in [1, 2, 3, 4, 100, 1024] {
            check(&(0..1024).map(|index| index / reactors_per_cpu).collect::<Vec<usize>>());
        }
    }
}
