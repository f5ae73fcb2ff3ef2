//! What somebody wants of a host's settings: the recommendations of rules for a goal, or a file. Reads no host.

use serde::Serialize;

use crate::knowledge::{Goal, How, Kind, Knowledge, Side, Variables};

/// Settings that are wanted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its name in words.
    pub name: String,
    /// Sysctls, in the order in which they are written.
    pub settings: Vec<Wanted>,
    /// Descriptors that the program needs, for LimitNOFILE= of its unit.
    pub open_files: Option<u64>,
    /// What no sysctl sets, for people.
    pub by_hand: Vec<ByHand>,
}

/// A wanted value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// The sysctl.
    pub name: String,
    /// The value, several numbers with single spaces.
    pub value: String,
    /// Whether a host that has more, or less, keeps it.
    pub how: How,
    /// Why; empty: the file does not say.
    pub because: String,
}

/// A recommendation that people carry out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByHand {
    /// The setting.
    pub name: String,
    /// What sort it is.
    pub kind: Kind,
    /// The value; `None`: it depends on what this host does not show.
    pub value: Option<String>,
    /// Why.
    pub because: String,
}

/// Why a file holds no settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A line is neither a setting nor a comment.
    #[error("line {line}: {text:?} is no `name = value`")]
    Line {
        /// Its number.
        line: usize,
        /// The line.
        text: String,
    },
    /// A name comes twice with different values.
    #[error("line {line}: {name} stands there already, with another value")]
    Twice {
        /// Its number.
        line: usize,
        /// The setting.
        name: String,
    },
    /// There is no setting in it.
    #[error("it has no setting")]
    Empty,
}

impl Profile {
    /// What the rules recommend for a goal at one end of the connections. `variables` are those of the host with the
    /// goal's connections and rate.
    pub fn of_goal(knowledge: &Knowledge, goal: Goal, side: Side, variables: &Variables) -> Profile {
        let mut profile =
            Profile { name: name(goal, side), settings: Vec::new(), open_files: None, by_hand: Vec::new() };
        for rule in knowledge.rules() {
            let Some(recommended) = rule.recommended(goal, side) else { continue };
            let value = recommended.wanted(variables);
            let because = recommended.because.clone();
            match (rule.kind, value) {
                (Kind::Sysctl, Some(value)) => {
                    profile.settings.push(Wanted { name: rule.name.clone(), value, how: recommended.how, because });
                }
                (Kind::Rlimit, Some(value)) if rule.name == "RLIMIT_NOFILE" => profile.open_files = value.parse().ok(),
                (kind, value) => profile.by_hand.push(ByHand { name: rule.name.clone(), kind, value, because }),
            }
        }
        profile
    }

    /// The settings of a file in the syntax of sysctl.conf(5): `name = value`, comments behind `#` and `;`. A `-` before
    /// a name, which lets errors pass, is refused: no error passes here.
    ///
    /// # Errors
    /// If a line is neither a setting nor a comment, or there is no setting.
    pub fn of_file(name: &str, text: &str) -> Result<Profile, FileError> {
        let mut settings: Vec<Wanted> = Vec::new();
        for (index, text) in text.lines().enumerate() {
            let trimmed = text.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let wrong = || FileError::Line { line: index + 1, text: text.to_owned() };
            let (name, value) = trimmed.split_once('=').ok_or_else(wrong)?;
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_name = |sign: char| sign.is_ascii_alphanumeric() || "._-/".contains(sign);
            let name = name.trim();
            if name.is_empty() || name.starts_with('-') || !name.chars().all(is_name) || value.is_empty() {
                return Err(wrong());
            }
            match settings.iter().find(|known| known.name == name) {
                Some(known) if known.value == value => {}
                Some(_) => return Err(FileError::Twice { line: index + 1, name: name.to_owned() }),
                None => {
                    let (name, because) = (name.to_owned(), String::new());
                    settings.push(Wanted { name, value, how: How::Exactly, because });
                }
            }
        }
        match settings.is_empty() {
            true => Err(FileError::Empty),
            false => Ok(Profile { name: name.to_owned(), settings, open_files: None, by_hand: Vec::new() }),
        }
    }
}

fn name(goal: Goal, side: Side) -> String {
    let side = match side {
        Side::Server => "server",
        Side::Client => "client",
        Side::Both => "both ends",
    };
    format!("Settings for {}, {side}", goal.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_sysctl_reads_them() {
        let text = "# comment\n; another\n\nnet.ipv4.tcp_rmem =\t4096  131072\t6291456\nnet/core/somaxconn=1\n";
        let profile = Profile::of_file("x", text).unwrap();
        let found: Vec<_> = profile.settings.iter().map(|each| (each.name.as_str(), each.value.as_str())).collect();
        assert_eq!(found, [("net.ipv4.tcp_rmem", "4096 131072 6291456"), ("net/core/somaxconn", "1")]);
        for (text, line) in
            [("a\n", 1), ("a = \n", 1), ("# c\n= 1\n", 2), ("-a = 1", 1), ("a b = 1", 1), ("sysctl -w a=1", 1)]
        {
            let error = Profile::of_file("x", text).expect_err(text);
            assert!(matches!(error, FileError::Line { line: found, .. } if found == line), "{text}: {error}");
        }
        assert!(matches!(Profile::of_file("x", "a=1\na=2"), Err(FileError::Twice { line: 2, .. })));
        assert_eq!(Profile::of_file("x", "a=1\na = 1").unwrap().settings.len(), 1);
        assert_eq!(Profile::of_file("x", "# nothing\n"), Err(FileError::Empty));
    }
}
