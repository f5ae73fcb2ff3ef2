//! Which parts of a comparison can run here: checks which servers and generators exist, and how many connections fit.

use crate::kinds::comparison::plan::{Arm, Scope};
use crate::session::host::Host;
use crate::session::limits::Limits;
use crate::subjects::load::Generator;
use crate::subjects::servers::about::availability;
use crate::subjects::servers::kind::Kind;
use crate::subjects::wrk;

/// Removes from `scope` what cannot run here, and returns what was removed and why.
pub(crate) fn leave_out_unavailable(host: &dyn Host, scope: &mut Scope, limits: &Limits) -> Vec<String> {
    let mut skipped = Vec::new();
    let servers = scope.servers();
    // Asks only if an arm needs it.
    let mut leave_out = |needs_it: &dyn Fn(&Arm) -> bool, reason: &dyn Fn() -> Option<String>| {
        let names: Vec<String> = scope.arms.iter().filter(|arm| needs_it(arm)).map(Arm::name).collect();
        if let Some(reason) = (!names.is_empty()).then(reason).flatten() {
            scope.arms.retain(|arm| !needs_it(arm));
            skipped.push(format!("{}: {reason}", names.join(", ")));
        }
    };
    let needs_uring = |arm: &Arm| {
        let is_uring = matches!(arm.server, Kind::C10m(variant) if variant.is_uring());
        is_uring || arm.generator == Generator::C10mUring
    };
    leave_out(&needs_uring, &|| server::probe_io_uring().err().map(|error| error.to_string()));
    leave_out(&|arm| arm.server.is_nginx(), &|| availability(host, Kind::Nginx).err());
    for peer in servers.into_iter().filter(|server| !server.is_own() && !server.is_nginx()) {
        leave_out(&|arm| arm.server == peer, &|| availability(host, peer).err());
    }
    leave_out(&|arm| arm.generator == Generator::Wrk, &|| wrk::availability(host).err());
    scope.loads.retain(|load| match limits.shape(load.connections) {
        Ok(_) => true,
        Err(reason) => {
            skipped.push(format!("{}: {reason}", load.words()));
            false
        }
    });
    skipped
}
