//! How new connections are spread over the reactors: by the kernel's hash, or by a program that the
//! listeners' reuseport group runs for every SYN. Touches no connection.
//!
//! A program returns an index into the group, and the kernel numbers its listeners in the order in which they
//! began to listen (Linux `net/core/sock_reuseport.c`, `__reuseport_add_sock`): reactors start one after the
//! other, so index and reactor are the same number. The program is attached to the first socket before it
//! listens. So a refusal leaves no listener behind, no SYN comes before the program, and sockets that join
//! the group inherit it.
//!
//! For an index beyond the group the kernel falls back to its hash. That happens only while the reactors
//! start, and in a drain after the first listener has closed. By then every listener refuses SYNs, so it does
//! not matter that the kernel moves the last listener into the gap.

mod cpu;
mod round_robin;

use std::io;
use std::os::fd::AsFd;

use crate::options::Balance;
use crate::unavailable::{self, Unavailable};
use sys::bpf;

/// The program that a reuseport group runs.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    /// Classic BPF: the reactors' CPUs as a table in code.
    Cpu(Vec<libc::sock_filter>),
    /// eBPF over a counter: the number of reactors.
    RoundRobin(i32),
}

impl Program {
    /// The program for reactors that are pinned to `cpus`, in this order; `None` for the hash.
    pub(crate) fn new(balance: Balance, cpus: &[usize]) -> Result<Option<Program>, Unavailable> {
        Ok(match balance {
            Balance::Hash => None,
            Balance::Cpu => {
                let program = cpu::program(cpus);
                if program.len() > cpu::INSTRUCTIONS_MAX {
                    return Err(Unavailable::Balance {
                        balance,
                        cause: format!(
                            "{} reactors need a program of {} instructions, and the kernel takes {}",
                            cpus.len(),
                            program.len(),
                            cpu::INSTRUCTIONS_MAX
                        ),
                        fix: "use at most --reactors 1024".into(),
                    });
                }
                Some(Program::Cpu(program))
            }
            // A group has at most 2^15 listeners (`reuseport_grow`), so the conversion never saturates.
            Balance::RoundRobin => Some(Program::RoundRobin(i32::try_from(cpus.len()).unwrap_or(i32::MAX))),
        })
    }

    /// Attaches the program to the group of `socket`, which is bound and need not listen yet.
    pub(crate) fn attach(&self, socket: &impl AsFd) -> Result<(), Unavailable> {
        match self {
            Program::Cpu(program) => {
                bpf::attach_classic(socket, program).map_err(refused(Balance::Cpu, "setsockopt(2)"))
            }
            Program::RoundRobin(reactors) => {
                let counter = bpf::counter().map_err(refused(Balance::RoundRobin, "bpf(2)"))?;
                let program = round_robin::program(&counter, *reactors);
                let program = bpf::load(&program).map_err(refused(Balance::RoundRobin, "bpf(2)"))?;
                // Both descriptors may be closed here: the group holds the program, and the program holds the
                // counter.
                bpf::attach_extended(socket, &program).map_err(refused(Balance::RoundRobin, "setsockopt(2)"))
            }
        }
    }
}

/// For `map_err`: why the kernel does not accept a program, and what mends it.
fn refused(balance: Balance, call: &'static str) -> impl FnOnce(io::Error) -> Unavailable {
    move |error| {
        let fix = match error.raw_os_error() {
            Some(libc::ENOMEM) => "run `sysctl -w net.core.optmem_max=131072`",
            _ if balance == Balance::Cpu => "run Linux 4.6 or later with a seccomp profile that allows setsockopt(2)",
            Some(libc::EPERM | libc::EACCES) => {
                &format!("run {}, or allow CAP_BPF and bpf(2) in the container", unavailable::setcap("cap_bpf"))
            }
            Some(libc::ENOSYS) => "run a kernel with CONFIG_BPF_SYSCALL=y, or allow bpf(2) in the container",
            _ => "run Linux 5.12 or later",
        };
        Unavailable::Balance { balance, cause: format!("{call} failed: {error}"), fix: fix.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_for_people_and_in_records() {
        for balance in [Balance::Hash, Balance::Cpu, Balance::RoundRobin] {
            assert_eq!(serde_json::to_value(balance).unwrap(), balance.to_string());
        }
    }

    #[test]
    fn what_the_kernel_says_is_told_with_what_mends_it() {
        for (error, words) in [
            (libc::EPERM, ["bpf(2) failed", "not permitted", "cap_bpf+ep"]),
            (libc::ENOSYS, ["bpf(2) failed", "not implemented", "CONFIG_BPF_SYSCALL"]),
            (libc::ENOMEM, ["bpf(2) failed", "allocate memory", "net.core.optmem_max"]),
            (libc::EINVAL, ["bpf(2) failed", "Invalid argument", "Linux 5.12"]),
        ] {
            let text = refused(Balance::RoundRobin, "bpf(2)")(io::Error::from_raw_os_error(error)).to_string();
            assert!(text.starts_with("--balance round-robin is unavailable: "), "{text}");
            assert!(words.iter().all(|word| text.contains(word)) && text.ends_with("--balance hash"), "{text}");
        }
    }

    #[test]
    fn more_reactors_than_a_program_can_index_are_refused() {
        let cpus = |reactors: usize| (0..reactors).map(|index| index / 2).collect::<Vec<usize>>();
        assert!(Program::new(Balance::Cpu, &cpus(1024)).is_ok());
        let refusal = Program::new(Balance::Cpu, &cpus(1200)).unwrap_err().to_string();
        assert!(refusal.contains("1200 reactors") && refusal.contains("--reactors 1024"), "{refusal}");
    }
}
