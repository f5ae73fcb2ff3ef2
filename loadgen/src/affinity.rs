//! Keeps the calling thread on some CPUs for a while.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Restores the CPUs the thread had before when dropped.
#[derive(Debug)]
pub(crate) struct Affinity {
    before: Option<CpuSet>,
}

impl Affinity {
    /// Restricts the calling thread to `cpus`; an empty list changes nothing. A CPU that does not exist
    /// is reported by the worker that is to run on it.
    pub(crate) fn restrict(cpus: &[u32]) -> Affinity {
        let mut wanted = CpuSet::new();
        cpus.iter().for_each(|&cpu| wanted.set(cpu as usize));
        let before = sched_getaffinity(None).ok().filter(|_| !cpus.is_empty());
        Affinity { before: before.filter(|_| sched_setaffinity(None, &wanted).is_ok()) }
    }
}

impl Drop for Affinity {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // These CPUs were allowed a moment ago; were they taken away, nothing is to be restored.
            let _ = sched_setaffinity(None, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_allowed_is_restored() {
        let before = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|&cpu| before.is_set(cpu)).unwrap();
        let guard = Affinity::restrict(&[first as u32]);
        assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
        drop(guard);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
        drop(Affinity::restrict(&[1023]));
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
