//! Whether the connections of a load fit this host's memory. Checked before the first one is opened.

use host::Facts;
use loadgen::{Engine, LoadError, Options, TargetFacts};
use protocol::Workload;
use tuning::plan::{Backend, Host, Plan, Request, Side};
use tuning::{IoUring, bytes, thousands};

/// Fewer connections fit anywhere, and the check costs some ms.
const CONNECTIONS_MIN: u32 = 10_000;

/// Refuses more connections than fit the memory, and says how many would fit.
pub(crate) fn check(options: &Options) -> Result<(), LoadError> {
    if options.connections < CONNECTIONS_MIN {
        return Ok(());
    }
    let target = TargetFacts::of(&options.target)?;
    if target.is_unix {
        // The planner knows the memory of TCP, which is several times as much. During the run, the generator's guard
        // watches the memory that is left.
        return Ok(());
    }
    let side = side(options, target.is_here);
    let request = Request {
        connections: u64::from(options.connections),
        workload: Workload::Echo,
        backend: Backend::Epoll,
        side,
        ring_clients: options.engine == Engine::IoUring,
        heartbeat_ms: None,
        reactors: Some(u64::from(options.threads)),
        sources: None,
    };
    // io_uring makes no difference to memory.
    let io_uring = IoUring::Unavailable(String::new());
    let plan = Plan::new(&Facts::of_this_host(), &Host::of_this_host(), request, &io_uring);
    match (plan.memory_fits, plan.memory_bytes_available.zip(plan.memory_limit)) {
        (Some(fits), Some((available, limit))) if fits < request.connections => Err(LoadError::Refused(format!(
            "{} connections need {} of memory{}, and {} {} to spare: {} would fit (`c10m tune plan --connections {}` \
             shows the parts)",
            thousands(request.connections),
            bytes(plan.needs.memory_bytes),
            match side {
                Side::Both => " for both ends",
                Side::Tun => " with the server's end",
                Side::Server => "",
            },
            limit.has(),
            bytes(available),
            thousands(fits),
            request.connections
        ))),
        _ => Ok(()),
    }
}

fn side(options: &Options, is_here: bool) -> Side {
    match options.engine {
        Engine::Tun => Side::Tun,
        _ if is_here => Side::Both,
        // One end only. It costs a client as much as a server.
        _ => Side::Server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_connections_are_refused_with_what_fits() {
        let options = |target: &str, connections| Options { target: target.into(), connections, ..Options::default() };
        for target in ["tcp://127.0.0.1:7", "http://10.0.0.1/"] {
            check(&options(target, 10_000)).expect("fits anywhere");
            let error = check(&options(target, u32::MAX)).unwrap_err();
            assert!(error.to_string().contains("would fit (`c10m tune plan"), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
        check(&options("unix:/x", u32::MAX)).expect("no TCP");
    }
}
