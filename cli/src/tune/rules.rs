//! Which rules the sub-commands of `c10m tune` use.

use std::path::PathBuf;

use tuning::knowledge::{Goal, Knowledge, Side};

/// Arguments of every sub-command that reads rules.
#[derive(Debug, clap::Args)]
pub(super) struct RulesArgs {
    /// Read rules from the .toml files of a directory instead of those built in.
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
}

impl RulesArgs {
    /// The rules.
    pub(super) fn knowledge(&self) -> anyhow::Result<Knowledge> {
        match &self.rules {
            Some(directory) => Ok(Knowledge::read(directory)?),
            None => Ok(Knowledge::embedded().clone()),
        }
    }
}

/// Parses the name of a goal.
pub(super) fn goal(name: &str) -> Result<Goal, String> {
    Goal::named(name).ok_or_else(|| format!("expected one of {}", Goal::ALL.map(Goal::name).join(", ")))
}

/// Whose settings they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum SideName {
    /// Whoever accepts connections.
    Server,
    /// Whoever opens them.
    Client,
}

impl SideName {
    pub(super) fn side(self) -> Side {
        match self {
            SideName::Server => Side::Server,
            SideName::Client => Side::Client,
        }
    }
}
