//! What of a comparison can run here: asks which servers and generators there are, and how many connections fit.

use crate::kinds::comparison::plan::{Arm, Scope};
use crate::session::host::Host;
use crate::session::limits::Limits;
use crate::subjects::load::Generator;
use crate::subjects::servers::about;
use crate::subjects::servers::kind::Kind;
use crate::subjects::wrk;

/// Takes out what cannot run here, and says what that was.
pub(crate) fn leave_out_unavailable(host: &dyn Host, scope: &mut Scope, limits: &Limits) -> Vec<String> {
    let mut skipped = Vec::new();
    let mut leave_out = |arms: &mut Vec<Arm>, reason: String, gone: &dyn Fn(&Arm) -> bool| {
        let names: Vec<String> = arms.iter().filter(|arm| gone(arm)).map(Arm::name).collect();
        if !names.is_empty() {
            arms.retain(|arm| !gone(arm));
            skipped.push(format!("{}: {reason}", names.join(", ")));
        }
    };
    if let Err(error) = server::probe_io_uring() {
        leave_out(&mut scope.arms, error.to_string(), &|arm| {
            let is_uring = matches!(arm.server, Kind::C10m(variant) if variant.backend() == "io_uring");
            is_uring || arm.generator == Generator::C10mUring
        });
    }
    if about::availability(host, Kind::Nginx).is_err() {
        let reason = "not installed (Debian: apt-get install nginx-light)".to_owned();
        leave_out(&mut scope.arms, reason, &|arm| arm.server.is_nginx());
    }
    for peer in scope.servers().into_iter().filter(|server| Kind::peers().any(|peer| peer == *server)) {
        if let Err(reason) = about::availability(host, peer) {
            leave_out(&mut scope.arms, reason, &|arm| arm.server == peer);
        }
    }
    if !wrk::is_installed() {
        let reason = "not installed (Debian: apt-get install wrk)".to_owned();
        leave_out(&mut scope.arms, reason, &|arm| arm.generator == Generator::Wrk);
    }
    scope.loads.retain(|load| match limits.shape(load.connections) {
        Ok(_) => true,
        Err(reason) => {
            skipped.push(format!("{}: {reason}", load.words()));
            false
        }
    });
    skipped
}
