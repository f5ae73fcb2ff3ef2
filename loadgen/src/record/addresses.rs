//! The addresses of the target in a record: what each carried, or why it carried nothing.

use crate::plan::Plan;
use crate::recording::tally::Tally;
use serde::{Deserialize, Serialize};

/// One address of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetAddress {
    /// Address and port, or `unix:` and a path.
    pub address: String,
    /// Connections that were its share.
    pub connections: u64,
    /// Those of them that were established when the load began.
    pub established: u64,
    /// Why it was left out, for example the name of the error of a connect before the run; absent when it was used.
    pub left_out: Option<String>,
}

impl TargetAddress {
    /// First those that were used, in the order of their turns.
    pub(crate) fn all(plan: &Plan, tally: &Tally) -> Vec<TargetAddress> {
        let total: u64 = plan.connections.iter().map(|&count| u64::from(count)).sum();
        let count = plan.routes.len() as u64;
        let used = plan.routes.iter().zip(0..).map(|(route, index)| TargetAddress {
            address: route.address.to_string(),
            connections: total / count + u64::from(index < total % count),
            established: tally.established_by_route.get(index as usize).copied().unwrap_or(0),
            left_out: None,
        });
        let left_out = plan.left_out.iter().map(|(address, why)| TargetAddress {
            address: address.to_string(),
            left_out: Some(why.clone()),
            ..TargetAddress::default()
        });
        used.chain(left_out).collect()
    }
}
