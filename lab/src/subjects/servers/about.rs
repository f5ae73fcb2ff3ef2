//! What is known about a server before it runs: whether it can run, and how it is set up.

use server::Variant;

use super::kind::Kind;
use super::program::Program;
use super::{c10m, crates, h2o, haproxy, lighttpd, nginx};
use crate::session::host::Host;

/// The version that would run. Otherwise the reason why none can run here, and what mends that.
pub(crate) fn availability(host: &dyn Host, kind: Kind) -> Result<String, String> {
    match (kind, program(kind)) {
        (Kind::C10m(variant), _) => c10m::availability(variant),
        (Kind::Balanced(_), _) => c10m::availability(Variant::EpollLevel),
        (Kind::Crate(peer), _) => crates::availability(host, peer),
        (_, Some(program)) => program.availability(host),
        (_, None) => Err("it is no program".to_owned()),
    }
}

/// What a report says about a server: name, version, set-up, and what it does beyond this project's server.
pub(crate) fn configuration(host: &dyn Host, kind: Kind) -> String {
    match (kind, program(kind)) {
        (Kind::C10m(variant), _) => c10m::configuration(variant),
        (Kind::Balanced(balance), _) => c10m::configuration_balanced(balance),
        (Kind::Crate(peer), _) => crates::configuration(host, peer),
        (_, Some(program)) => program.described(host),
        (_, None) => kind.name(),
    }
}

/// The program, for a server of the distribution.
pub(super) fn program(kind: Kind) -> Option<&'static Program> {
    match kind {
        Kind::Nginx => Some(&nginx::PROGRAM),
        Kind::NginxBusy => Some(&nginx::BUSY),
        Kind::H2o => Some(&h2o::PROGRAM),
        Kind::Haproxy => Some(&haproxy::PROGRAM),
        Kind::Lighttpd => Some(&lighttpd::PROGRAM),
        Kind::C10m(_) | Kind::Balanced(_) | Kind::Crate(_) => None,
    }
}
