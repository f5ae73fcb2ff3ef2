//! A workload on the command line. The words are those of `protocol`; each sub-command explains what it does with
//! them.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use protocol::Workload;

/// Parses the name of a workload. `help` explains each one in `--help`.
pub(crate) fn parser(help: fn(Workload) -> &'static str) -> impl TypedValueParser<Value = Workload> {
    let names = Workload::ALL.map(|workload| PossibleValue::new(workload.name()).help(help(workload)));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Workload>())
}
