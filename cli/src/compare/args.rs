//! Arguments of `c10m compare`, and what is said of every comparison.

use std::path::PathBuf;

use clap::Args;

/// What no interval can take out.
pub(super) const DRIFT: &str = "These runs took place at different times: unlike arms within one run they do not share the host's drift, which \
    can be larger than any difference here. To compare two variants, run both in one experiment.";

/// What a change is, and what it is free of.
pub(super) const RATIOS: &str = "A change is the ratio of an arm's ratio to the reference in the second run to that in the first: what the host did \
    differently at the two times is in both sides of each ratio. Intervals hold for all arms together.";

const NOTES: &str = "\
Exit codes: 0 done, 1 a record is damaged, 2 usage: what was named is no record,
or of another kind or another c10m, or the two are not comparable, 4 nothing can
be said, or a run does not see its own controls.";

/// Arguments of `c10m compare`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct CompareArgs {
    /// The run to compare with: a directory, or its record.json.
    pub(super) first: PathBuf,
    /// The run of which something is to be said.
    pub(super) second: PathBuf,
    /// Compare although the hosts differ, and say why that makes sense.
    #[arg(long, value_name = "REASON")]
    pub(super) despite: Option<String>,
    /// Print one JSON document on stdout instead of tables.
    #[arg(long)]
    pub(super) json: bool,
}
