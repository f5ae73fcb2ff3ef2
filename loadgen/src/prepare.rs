//! From options to a plan: looks the name of the target up, asks the host what it allows and whether what is to be
//! watched is there, and tries the addresses. The plan itself takes only what came of that.

mod limits;
mod trial;
mod tun;
mod watched;

use crate::LoadError;
use crate::plan::engine::Engine;
use crate::plan::options::Options;
use crate::plan::target::{Permission, Resolve, Target};
use crate::plan::{HostLimits, Plan};
use host::Namespace;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::AtomicBool;

/// The system's resolver.
pub(crate) fn resolve(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((name, port).to_socket_addrs()?.collect())
}

/// The plan for `options` on this host, with names looked up by `resolve`. A stop ends the trial of a target with
/// several addresses.
///
/// # Errors
/// [`LoadError::Usage`] and [`LoadError::Refused`], each saying what to change.
pub(crate) fn plan(options: &Options, resolve: Resolve, stop: &AtomicBool) -> Result<Plan, LoadError> {
    on(options, limits::read(options)?, resolve, stop)
}

/// The same on a host with `limits`.
fn on(options: &Options, limits: HostLimits, resolve: Resolve, stop: &AtomicBool) -> Result<Plan, LoadError> {
    options.check()?;
    let target = Target::parse(&options.target, resolve)?;
    watched::check(options)?;
    let (namespace, is_tun) = (host::namespace(), options.engine == Engine::Tun);
    // First, because nothing else matters in the wrong namespace.
    if is_tun {
        tun::check(options, &target.addresses, namespace)?;
    }
    target.check_allowed(Permission {
        private: options.allow_private,
        own: options.i_own.as_deref(),
        is_in_own_namespace: namespace == Namespace::Own,
    })?;
    if is_tun {
        return Ok(Plan::through_devices(options, limits, target));
    }
    let attempts = Plan::attempts(options, limits, &target)?;
    let answers = trial::answers(&attempts, options.connect_timeout, stop)?;
    Plan::new(options, limits, target, attempts.into_iter().zip(answers).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, TcpListener};

    const LIMITS: HostLimits = HostLimits { descriptors_max: 20_000, ports: 28_232 };

    /// Stands in for a name server: `two.test` is 127.0.0.1 and 127.0.0.2, `both.test` 127.0.0.1 and ::1.
    fn names(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let second: IpAddr = if name == "both.test" { [0, 0, 0, 0, 0, 0, 0, 1].into() } else { [127, 0, 0, 2].into() };
        Ok(vec![(second, port).into(), ([127, 0, 0, 1], port).into()])
    }

    fn plan(target: String, change: impl FnOnce(&mut Options)) -> Result<Plan, LoadError> {
        let mut options = Options { target, connections: 60_000, threads: 10, ..Options::default() };
        change(&mut options);
        on(&options, LIMITS, names, &AtomicBool::new(false))
    }

    #[test]
    fn only_those_that_answer_carry_connections() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        for target in [format!("tcp://two.test:{port}"), format!("http://both.test:{port}/")] {
            let plan = plan(target, |_| {}).unwrap();
            let used: Vec<String> = plan.routes.iter().map(|route| route.address.to_string()).collect();
            // If sources were planned before the trial, ::1 would need three addresses that it does not have.
            assert_eq!(used, [format!("127.0.0.1:{port}")]);
            assert_eq!(plan.left_out.len(), 1, "{:?}", plan.left_out);
            assert!(plan.left_out[0].1.starts_with('E'), "{:?}", plan.left_out);
        }
        // SO_REUSEADDR and SO_REUSEPORT are not needed: another address is another socket.
        let second = TcpListener::bind(("127.0.0.2", port)).unwrap();
        let both = plan(format!("tcp://two.test:{port}"), |_| {}).unwrap();
        assert_eq!((both.routes.len(), both.left_out.len()), (2, 0));
        assert!(both.routes.iter().all(|route| route.sources.len() == 5), "30,000 connections each: {:?}", both.routes);
        assert_eq!(both.source_count(), 5);
        drop((first, second));
        let error = plan(format!("tcp://two.test:{port}"), |_| {}).unwrap_err();
        let named = [format!("127.0.0.1:{port} (ECONNREFUSED)"), format!("127.0.0.2:{port} (ECONNREFUSED)")];
        assert!(named.iter().all(|part| error.to_string().contains(part)), "{error}");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_source_chooses_the_family() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sources = vec!["127.0.0.9".parse().unwrap(), "127.0.0.8".parse().unwrap(), "127.0.0.7".parse().unwrap()];
        let plan = plan(format!("tcp://both.test:{port}"), |options| options.sources = sources).unwrap();
        assert_eq!((plan.routes.len(), plan.routes[0].sources.len()), (1, 3));
        assert_eq!(plan.left_out[0].1, "no --source of its family");
    }

    #[test]
    fn a_unix_socket_needs_no_ports() {
        let plan = plan("unix:/nowhere/x.sock".to_owned(), |_| {}).unwrap();
        assert_eq!((plan.source_count(), plan.is_unix(), plan.is_here()), (0, true, true));
        let source = vec!["127.0.0.9".parse().unwrap()];
        let error = self::plan("unix:/x".to_owned(), |options| options.sources = source).unwrap_err();
        assert!(error.to_string().contains("--source 127.0.0.9 has no effect"), "{error}");
    }
}
