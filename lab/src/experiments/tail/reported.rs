//! Load generators as people use them, and what they say of a server that stalls.

use super::arms::STALL_MS;
use super::figures::{FROM_SEND, P99, TRUTH};
use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::remedies::record::Record;
use crate::session::host::Command;
use crate::session::namespace::SERVER;
use crate::subjects::tools::find;
use crate::subjects::tools::tool::{Demand, Tool};

/// What load generators are asked for. With as few connections as that, requests under way in a stall are less than one in a
/// hundred, so a p99 that takes them alone does not see it.
const CONNECTIONS: u32 = 10;
const RATE: u32 = 2000;

/// A load generator as people use it.
pub(super) fn command(tool: Tool, run: &Run<'_>, seconds: u32) -> Command {
    let cpu = run.places.client;
    let demand = Demand { connections: CONNECTIONS, rate: RATE, seconds, seed: run.seed, cpu };
    let mut arguments = tool.arguments(&format!("{SERVER}:7000"), &demand);
    if tool.is_own() {
        arguments.push("--allow-private".to_owned());
        return Command::own(&arguments);
    }
    let path = find::path_of(tool.program()).unwrap_or_else(|| tool.program().into());
    Command { cpus: vec![cpu], ..Command::other(&path, &arguments, tool.program()) }
}

/// What is seen of the same stalls, by where times are counted from.
pub(super) fn sentence(record: &Record) -> String {
    let of = |tool: Tool, figure| record.quotable_time(tool.name(), figure);
    let open = Tool::C10mConstant;
    let Some(((intended, sent), truth)) = of(open, P99).zip(of(open, FROM_SEND)).zip(of(open, TRUTH)) else {
        return String::new();
    };
    let closed = of(Tool::C10mClosed, P99).map_or(String::new(), |ms| format!(", of a closed loop {ms:.1}"));
    let wrk = of(Tool::Wrk, P99).map_or(String::new(), |ms| format!(", of wrk {ms:.1}"));
    format!(
        " Of a server that stalls for {STALL_MS} ms each second the p99 is {truth:.0} ms in truth: counted from intended times it is \
         {intended:.0}, from send times {sent:.1}{closed}{wrk}."
    )
}

#[cfg(test)]
mod tests {
    use super::super::SCENARIO;
    use super::*;
    use crate::kinds::scenario::remedies::made_up;

    /// What hides a stall is said only beside the truth, and not of times that must not be quoted.
    #[test]
    fn what_generators_see_of_stalls_is_said() {
        let open = [(P99, 90.0), (FROM_SEND, 2.0), (TRUTH, 90.1)];
        let arms: [(&str, &[(&str, f64)]); 3] = [
            (Tool::C10mConstant.name(), &open),
            (Tool::C10mClosed.name(), &[(P99, 0.3)]),
            (Tool::Wrk.name(), &[(P99, 0.4)]),
        ];
        let record = made_up::record(&SCENARIO, &arms);
        let said = sentence(&record);
        for part in ["90 ms in truth", "intended times it is 90", "send times 2.0", "closed loop 0.3", "wrk 0.4"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(sentence(&made_up::with_invalid(record, Tool::C10mConstant.name())), "");
        assert_eq!(sentence(&made_up::record(&SCENARIO, &arms[1..])), "");
    }
}
