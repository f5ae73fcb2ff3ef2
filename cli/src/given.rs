//! Which options the user gave by name: a given option without effect is refused, but a default is not. clap knows
//! which options were given, but only while it fills in the arguments.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

/// The names of the arguments that are on a sub-command's command line. It must be the first field of its arguments,
/// because clap takes values out in the order of the fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given(Vec<String>);

impl Given {
    /// Whether the argument is on the command line. `name` is the name of its field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|given| given == name)
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Given, clap::Error> {
        let is_given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        Ok(Given(matches.ids().map(|id| id.as_str().to_owned()).filter(|name| is_given(name)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Given::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        given: Given,
        #[arg(long, default_value_t = 7)]
        number: u32,
        #[arg(long)]
        flag: bool,
        place: Option<String>,
    }

    #[test]
    fn a_default_is_not_given() {
        for (line, expected) in
            [("words", &[][..]), ("words --number 7", &["number"][..]), ("words --flag x", &["flag", "place"])]
        {
            let words = Words::parse_from(line.split(' '));
            let found: Vec<&str> =
                ["number", "flag", "place"].into_iter().filter(|name| words.given.has(name)).collect();
            assert_eq!(found, expected, "{line}");
            assert_eq!(words.number, 7);
            assert_eq!((words.flag, words.place.is_some()), (words.given.has("flag"), words.given.has("place")));
        }
    }
}
