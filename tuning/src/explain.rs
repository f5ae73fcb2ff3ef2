//! What is known of a setting, with what this host has of it.

use std::path::Path;

use ::host::Facts;
use ::host::sysctl::{Access, access, value};
use serde::Serialize;

use crate::knowledge::{FoundBy, Goal, Kind, Knowledge, Rule, Side, Variables};

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation<'a> {
    /// What was asked.
    pub question: String,
    /// How the settings were found; absent: there are none.
    pub found_by: Option<FoundBy>,
    /// The settings, the likeliest first.
    pub settings: Vec<Explained<'a>>,
    /// Names that are like the one that nothing has.
    pub proposals: Vec<&'a str>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained<'a> {
    /// What is known of it.
    pub rule: &'a Rule,
    /// What this host has of it.
    pub here: Here,
}

/// What a host has of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Here {
    /// Its value; absent: it is no sysctl and no limit, or not here.
    pub value: Option<String>,
    /// Whether it can be changed from here; absent: it is no sysctl.
    pub access: Option<Access>,
    /// The kernel's own value on a host like this.
    pub default: Option<String>,
    /// The recommended values, by goal and side.
    pub recommended: Vec<Recommended>,
}

/// A recommended value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recommended {
    /// For whom.
    pub goal: Goal,
    /// At which end.
    pub side: Side,
    /// The value; absent: it depends on what this host does not show.
    pub value: Option<String>,
}

impl<'a> Explanation<'a> {
    /// Answers `question` for the host below `root`, whose facts are `facts`.
    pub fn new(knowledge: &'a Knowledge, question: &str, facts: &Facts, root: &Path) -> Explanation<'a> {
        let (found_by, rules) = knowledge.find(question);
        let variables = Variables::of(facts);
        let explained = |rule: &'a Rule| Explained { rule, here: Here::new(rule, facts, &variables, root) };
        let proposals = if rules.is_empty() { knowledge.proposals(question) } else { Vec::new() };
        Explanation {
            question: question.to_owned(),
            found_by,
            settings: rules.into_iter().map(explained).collect(),
            proposals,
        }
    }
}

impl Here {
    fn new(rule: &Rule, facts: &Facts, variables: &Variables, root: &Path) -> Here {
        let is_sysctl = rule.kind == Kind::Sysctl;
        let limit = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
        let found = match rule.name.as_str() {
            "RLIMIT_NOFILE" => {
                let files = &facts.files.limit;
                Some(format!("{} soft, {} hard", limit(files.soft), limit(files.hard)))
            }
            _ if is_sysctl => value(root, &rule.name).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")),
            _ => None,
        };
        let mut recommended = Vec::new();
        for goal in Goal::ALL {
            for side in [Side::Server, Side::Client] {
                if let Some(each) = rule.recommended(goal, side) {
                    let value = each.wanted(&variables.with_goal(goal));
                    recommended.push(Recommended { goal, side, value });
                }
            }
        }
        Here {
            value: found,
            access: is_sysctl.then(|| access(root, &rule.name)),
            default: rule.default_value(variables),
            recommended,
        }
    }
}
