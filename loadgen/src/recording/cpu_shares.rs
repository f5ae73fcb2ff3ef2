//! What workers took of their CPUs. Workers that share one take turns on it: they are as busy as it is, and wait for each other
//! as the requests of a single worker would.

use std::collections::BTreeMap;

/// What one worker took of its CPU, as shares of the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CpuShare {
    /// The CPU it is pinned to; `None` leaves it to the scheduler, and nobody knows with whom it shares one.
    pub(crate) cpu: Option<u32>,
    /// Time on a CPU.
    pub(crate) ran: f64,
    /// The same without polling for the next arrival.
    pub(crate) worked: f64,
    /// Time in which it was ready to run and did not; `None` where the kernel does not say.
    pub(crate) waited: Option<f64>,
}

/// How long a worker waited for its CPU, as shares of the window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Waited {
    pub(crate) all: f64,
    /// The work of the other workers on this CPU: it waited for them no longer. Their polling is left out, since nothing is
    /// gained by waiting for that.
    pub(crate) siblings: f64,
    /// The CPU, if it has several workers, and for how long they ran on it.
    pub(crate) shared: Option<(u32, f64)>,
}

impl CpuShare {
    fn is_with(&self, other: &CpuShare) -> bool {
        self.cpu.is_some() && self.cpu == other.cpu
    }
}

/// Share of the window for which the busiest worker worked, or all those of the busiest CPU.
pub(crate) fn busiest(shares: &[CpuShare]) -> Option<f64> {
    most(shares.iter().map(|share| (share.cpu, share.worked)))
}

/// The most that one CPU worked, of what each worker did. Those that are pinned to none count by themselves.
pub(crate) fn most(workers: impl IntoIterator<Item = (Option<u32>, f64)>) -> Option<f64> {
    let (mut cpus, mut alone) = (BTreeMap::<u32, f64>::new(), None::<f64>);
    for (cpu, worked) in workers {
        match cpu {
            Some(cpu) => *cpus.entry(cpu).or_default() += worked,
            None => alone = Some(alone.unwrap_or(0.0).max(worked)),
        }
    }
    // The workers' windows end within 10 ms of each other, so the sum may come to a little more than a CPU has.
    cpus.into_values().chain(alone).reduce(f64::max).map(|share| share.min(1.0))
}

/// The worker that waited longest for something else than the others of its CPU; `None` where the kernel does not say.
pub(crate) fn waited(shares: &[CpuShare]) -> Option<Waited> {
    let of = |share: &CpuShare| {
        let together = || shares.iter().filter(|other| other.is_with(share));
        let siblings = (together().map(|other| other.worked).sum::<f64>() - share.worked).max(0.0);
        let is_shared = together().count() > 1;
        let shared = share.cpu.filter(|_| is_shared).map(|cpu| (cpu, together().map(|other| other.ran).sum()));
        Some(Waited { all: share.waited?, siblings: if is_shared { siblings } else { 0.0 }, shared })
    };
    let for_others = |waited: &Waited| waited.all - waited.siblings;
    shares.iter().filter_map(of).max_by(|a, b| for_others(a).total_cmp(&for_others(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(cpu: Option<u32>, worked: f64, waited: f64) -> CpuShare {
        CpuShare { cpu, ran: worked + 0.1, worked, waited: Some(waited) }
    }

    #[test]
    fn workers_of_one_cpu_are_as_busy_as_it_is() {
        let apart = [share(Some(0), 0.5, 0.0), share(Some(1), 0.25, 0.0)];
        assert_eq!(busiest(&apart), Some(0.5));
        let together = [share(Some(0), 0.25, 0.0), share(Some(1), 0.375, 0.0), share(Some(0), 0.25, 0.0)];
        assert_eq!(busiest(&together), Some(0.5));
        // Nobody knows where these run.
        assert_eq!(busiest(&[share(None, 0.5, 0.0), share(None, 0.75, 0.0)]), Some(0.75));
        assert_eq!(busiest(&[share(Some(0), 0.75, 0.0), share(Some(0), 0.5, 0.0)]), Some(1.0));
        assert_eq!(busiest(&[]), None);
    }

    #[test]
    fn a_worker_waits_for_those_of_its_own_cpu() {
        let alone = share(Some(1), 0.25, 0.125);
        assert_eq!(waited(&[alone]), Some(Waited { all: 0.125, siblings: 0.0, shared: None }));
        let together = [share(Some(0), 0.25, 0.5), share(Some(0), 0.5, 0.375)];
        // The first waited for the second alone, and the second 0.125 longer than the first worked.
        let found = waited(&together).unwrap();
        assert_eq!((found.all, found.siblings), (0.375, 0.25));
        let (cpu, ran) = found.shared.unwrap();
        assert!(cpu == 0 && (ran - 0.95).abs() < 1e-9, "{found:?}");
        // The worst by what it waited for others, not by what it waited in all.
        let worst = waited(&[together[0], together[1], share(Some(1), 0.25, 0.25)]).unwrap();
        assert_eq!((worst.all, worst.siblings, worst.shared), (0.25, 0.0, None));
        let unpinned = [share(None, 0.5, 0.25), share(None, 0.5, 0.125)];
        assert_eq!(waited(&unpinned), Some(Waited { all: 0.25, siblings: 0.0, shared: None }));
        assert_eq!(waited(&[CpuShare { waited: None, ..alone }]), None);
    }
}
