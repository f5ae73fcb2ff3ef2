//! Where a measurement takes place: the host, its CPUs, and the flag that ends the measurement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::session::host::Host;
use crate::session::places::Places;

/// What every measurement needs to know about where it takes place.
#[derive(Clone)]
pub(crate) struct Stage<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) places: Places,
    /// Becomes true when the user wants the experiment to end.
    pub(crate) stop: Arc<AtomicBool>,
}

impl Stage<'_> {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
