//! `c10m run-into`: a process that runs into a limit on descriptors. Hidden from help: it is a step of a walk.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use lab::Wall;

/// Arguments of `c10m run-into`.
#[derive(Debug, Args)]
pub(crate) struct RunIntoArgs {
    /// Which limit
    #[arg(value_parser = parser())]
    wall: Wall,
}

impl RunIntoArgs {
    pub(crate) fn wall(&self) -> Wall {
        self.wall
    }
}

fn parser() -> impl TypedValueParser<Value = Wall> {
    let names = PossibleValuesParser::new(Wall::ALL.map(Wall::name));
    names.try_map(|name| Wall::ALL.into_iter().find(|wall| wall.name() == name).ok_or("no limit"))
}
