//! `--backend auto`: the one place that chooses a backend. It says which and why.

use crate::backend::uring::probe;
use crate::options::Variant;
use crate::unavailable::Unavailable;

/// What was chosen, and the reason in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The variant to run.
    pub variant: Variant,
    /// Why.
    pub reason: String,
}

/// Opens a ring as the io_uring backend would, on a separate thread, and closes it again.
///
/// # Errors
/// Why the backend cannot run here.
pub fn probe_io_uring() -> Result<(), Unavailable> {
    let thread = std::thread::spawn(probe);
    thread
        .join()
        .unwrap_or_else(|_| Err(Unavailable::Uring { cause: "the probe panicked".into(), fix: "report this as a bug" }))
}

/// io_uring if it runs here, else epoll.
pub fn choose() -> Choice {
    match probe_io_uring() {
        Ok(()) => Choice {
            variant: Variant::UringMultishot,
            reason: "io_uring is available with every operation the backend needs".into(),
        },
        Err(unavailable) => Choice { variant: Variant::EpollLevel, reason: unavailable.to_string() },
    }
}
