//! Why there is no ring, and what mends it.

use std::io;

use io_uring::{IoUring, Probe, opcode};

/// Why there is no ring, and what mends it.
#[derive(Debug, thiserror::Error)]
#[error("io_uring is unavailable: {cause}; {fix}")]
pub struct Unavailable {
    /// What is missing.
    pub cause: String,
    /// What mends it.
    pub fix: &'static str,
}

pub(crate) fn refused(what: &'static str) -> impl FnOnce(io::Error) -> Unavailable {
    move |error| Unavailable { cause: format!("{what} failed: {error}"), fix: "run Linux 6.6 or later" }
}

/// Probes for each operation instead of guessing from a version number.
pub(crate) fn ensure_operations(ring: &IoUring) -> Result<(), Unavailable> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(refused("probing for operations"))?;
    // SEND_ZC came with Linux 6.0, together with multishot receive, which cannot be probed for.
    let needed = [
        (opcode::AcceptMulti::CODE, "accept"),
        (opcode::Connect::CODE, "connect"),
        (opcode::RecvMulti::CODE, "recv"),
        (opcode::Send::CODE, "send"),
        (opcode::Shutdown::CODE, "shutdown"),
        (opcode::Close::CODE, "close"),
        (opcode::AsyncCancel::CODE, "cancel"),
        (opcode::PollAdd::CODE, "poll"),
        (opcode::SendZc::CODE, "multishot recv"),
    ];
    match needed.iter().find(|(code, _)| !probe.is_supported(*code)) {
        None => Ok(()),
        Some((_, name)) => {
            Err(Unavailable { cause: format!("this kernel's io_uring has no {name}"), fix: "run Linux 6.1 or later" })
        }
    }
}

/// What a failed io_uring_setup(2) means.
pub(crate) fn explain_setup(error: io::Error) -> Unavailable {
    let (cause, fix) = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => (
            "io_uring_setup(2) is not permitted (kernel.io_uring_disabled, or a seccomp filter)",
            "run `sysctl -w kernel.io_uring_disabled=0`, or allow io_uring in the container's seccomp profile",
        ),
        Some(libc::ENOSYS) => {
            ("this kernel was built without io_uring, or a seccomp filter hides it", "run Linux 6.6 or later")
        }
        Some(libc::EINVAL) => (
            "this kernel lacks a set-up flag (SINGLE_ISSUER, DEFER_TASKRUN: Linux 6.1; NO_SQARRAY: 6.6)",
            "run Linux 6.6 or later",
        ),
        Some(libc::ENOMEM) => ("no memory for the rings", "raise `ulimit -l` or free memory"),
        Some(libc::EMFILE | libc::ENFILE) => ("no descriptor for the ring", "raise `ulimit -n`"),
        _ => ("io_uring_setup(2) failed", "run Linux 6.6 or later"),
    };
    Unavailable { cause: format!("{cause}: {error}"), fix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_setup_names_cause_and_fix() {
        for (errno, cause, fix) in [
            (libc::EPERM, "not permitted", "io_uring_disabled=0"),
            (libc::ENOSYS, "without io_uring", "Linux 6.6"),
            (libc::EINVAL, "DEFER_TASKRUN", "Linux 6.6"),
            (libc::EMFILE, "no descriptor", "ulimit -n"),
        ] {
            let text = explain_setup(io::Error::from_raw_os_error(errno)).to_string();
            assert!(text.contains(cause) && text.contains(fix), "{text}");
        }
    }
}
