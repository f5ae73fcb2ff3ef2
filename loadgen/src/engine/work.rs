//! One worker from its start to its tally. Workload, engine and loop are chosen here, once per worker; below this
//! point everything is monomorphised.

use super::epoll::Epoll;
use super::fleet::Fleet;
use super::job::Job;
use super::stages::Worker;
use super::tun::Tun;
use super::turn::Engine;
use super::uring::Uring;
use crate::LoadError;
use crate::plan::engine::Engine as EngineName;
use crate::plan::mode::Mode;
use crate::plan::target::Requests;
use crate::recording::tally::Tally;
use protocol::client::{Client, EchoClient, HttpClient};
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use std::num::NonZeroU64;

/// Runs worker `index` on the calling thread until the load has ended.
pub(crate) fn work(job: &Job<'_>, index: usize) -> Result<Tally, LoadError> {
    sys::thread::unshare_fd_table(&[]).map_err(|errno| {
        LoadError::setup(
            "give a worker its own descriptor table (close_range with CLOSE_RANGE_UNSHARE, Linux 5.9)",
            errno,
        )
    })?;
    pin(job, index)?;
    // The default slack of 50 µs would be added to every sleep before an arrival (prctl(2)). If this fails
    // the run is only less punctual, and its lateness shows it.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    if job.options.realtime {
        // Tried here, where a failure can still refuse the run; it is used only during the load.
        sys::thread::set_realtime(true).and_then(|()| sys::thread::set_realtime(false)).map_err(|errno| {
            LoadError::setup("run before everything else (--realtime needs CAP_SYS_NICE, or `ulimit -r 1`)", errno)
        })?;
    }
    match &job.plan.target.requests {
        Requests::Echo => {
            let seed = job.schedule.seed.wrapping_add(index as u64);
            let client = EchoClient::new(job.options.payload_len as usize, job.options.pipeline, seed);
            choose_engine(job, index, client)
        }
        Requests::Http { host, path, authorization } => {
            let request = job.request(host, path, authorization.as_ref());
            let client = HttpClient::new(&request, job.options.pipeline);
            let client = client.map_err(|bad| LoadError::Usage(bad.to_string()))?;
            choose_engine(job, index, client.with_body_len_max(job.options.body_len_max))
        }
    }
}

fn choose_engine<C: Client>(job: &Job<'_>, index: usize, client: C) -> Result<Tally, LoadError> {
    match job.options.engine {
        EngineName::Epoll => choose_loop::<C, Epoll>(job, index, client),
        EngineName::IoUring => choose_loop::<C, Uring>(job, index, client),
        EngineName::Tun => choose_loop::<C, Tun>(job, index, client),
    }
}

fn choose_loop<C: Client, E: Engine>(job: &Job<'_>, index: usize, client: C) -> Result<Tally, LoadError> {
    let mut engine = E::new(job, index)?;
    if job.options.reset {
        engine.close_by_reset();
    }
    Ok(match job.options.mode() {
        Mode::Closed => Worker { fleet: Fleet::<C, E::Socket, false>::new(job, index, client), engine }.run(),
        Mode::Open | Mode::Heartbeat | Mode::Idle => {
            Worker { fleet: Fleet::<C, E::Socket, true>::new(job, index, client), engine }.run()
        }
    })
}

fn pin(job: &Job<'_>, index: usize) -> Result<(), LoadError> {
    let Some(cpu) = job.options.cpu_of(index) else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(cpu as usize);
    sched_setaffinity(None, &set).map_err(|errno| {
        LoadError::Refused(format!(
            "a worker cannot run on CPU {cpu} of --cpus ({errno}); `taskset -cp $$` shows the CPUs there are"
        ))
    })
}
