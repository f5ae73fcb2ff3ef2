//! A workload on the command line: the words are those of `protocol`, each sub-command says what it does with them.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use protocol::Workload;

/// Reads the name of a workload; `help` says in `--help` what each one is.
pub(crate) fn parser(help: fn(Workload) -> &'static str) -> impl TypedValueParser<Value = Workload> {
    let names = Workload::ALL.map(|workload| PossibleValue::new(workload.name()).help(help(workload)));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Workload>())
}
