//! Which CPUs a thread may run on.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Runs the calling thread on `cpu` only.
///
/// # Errors
/// EINVAL when the CPU does not exist or is outside the cpuset of this process.
pub fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)?;
    Ok(())
}

/// The CPUs this process may run on, in ascending order.
///
/// # Errors
/// What sched_getaffinity(2) says.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Restores the CPUs the thread had before when dropped.
#[derive(Debug)]
pub struct Affinity {
    before: Option<CpuSet>,
}

impl Affinity {
    /// Restricts the calling thread to `cpus`; an empty list changes nothing. A CPU that does not exist
    /// is reported by the worker that is to run on it.
    pub fn restrict(cpus: &[u32]) -> Affinity {
        let mut wanted = CpuSet::new();
        cpus.iter().for_each(|&cpu| wanted.set(cpu as usize));
        let before = sched_getaffinity(None).ok().filter(|_| !cpus.is_empty());
        Affinity { before: before.filter(|_| sched_setaffinity(None, &wanted).is_ok()) }
    }
}

impl Drop for Affinity {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // These CPUs were allowed a moment ago; if they were taken away, there is nothing to restore.
            let _ = sched_setaffinity(None, before);
        }
    }
}

/// CPUs for other work during a load that is pinned to `cpus`: those used neither by the load nor by what it
/// watches; the CPUs of the load if there are none, or if nothing is watched. Empty if the load is not pinned.
pub fn beside(cpus: &[u32], watched: &[u32]) -> Vec<u32> {
    let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    let is_spare = |cpu: &u32| !cpus.contains(cpu) && !watched.contains(cpu) && allowed.is_set(*cpu as usize);
    let spare: Vec<u32> = (0..CpuSet::MAX_CPU as u32).filter(is_spare).collect();
    // Without watched CPUs the server's CPUs are unknown: one that looks spare may be the server's.
    if cpus.is_empty() || watched.is_empty() || spare.is_empty() { cpus.to_vec() } else { spare }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_beside_a_load_stays_off_the_server() {
        let allowed = sched_getaffinity(None).unwrap();
        let all: Vec<u32> = (0..CpuSet::MAX_CPU as u32).filter(|&cpu| allowed.is_set(cpu as usize)).collect();
        assert!(beside(&[], &all).is_empty());
        assert_eq!(beside(&all, &all[..1]), all, "nothing to spare");
        assert_eq!(beside(&all[..1], &[]), all[..1]);
        if let [own, server, spare @ ..] = &all[..] {
            let expected = if spare.is_empty() { &all[..1] } else { spare };
            assert_eq!(beside(&[*own], &[*server]), expected);
        }
    }

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
