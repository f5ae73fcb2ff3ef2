//! A rule: what is known of one setting. Data only. `tuning/rules/README.md` tells what each field is for.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::formula::Formula;
use super::variables::{Goal, Side, Variables};

/// What is known of a setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// As people search for it; unique.
    pub name: String,
    /// The same in a few words.
    pub title: String,
    /// What sort of setting it is.
    pub kind: Kind,
    /// Whom a change reaches.
    pub scope: Scope,
    /// Of a sysctl of the host: what a child network namespace sees of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_namespaces: Option<InNamespaces>,
    /// Whom a change finds.
    pub applies: Applies,
    /// Of the value.
    pub unit: String,
    /// The kernel's own value, if it is a number or several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Amount>,
    /// The kernel's own value, if it is a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_word: Option<String>,
    /// How far a kernel may be from `default`, in percent; absent: exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_within: Option<f64>,
    /// What sets it to something else at many hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_varies: Option<String>,
    /// The first kernel that has it; absent: older than 3.0, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The first kernel that lacks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<String>,
    /// Why it does nothing, or not what its name says, though it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obsolete: Option<String>,
    /// What it is.
    pub what: String,
    /// When and why it matters for many connections.
    pub why: String,
    /// What happens at the limit, or with a wrong value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how_it_fails: Option<String>,
    /// What people see and search for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symptoms: Vec<String>,
    /// Which counters move when it is hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<String>,
    /// Where else it shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_in: Vec<String>,
    /// What it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// Memory in bytes that a value costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_bytes: Option<Formula>,
    /// What a change can break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    /// What is wrongly said of it, and what is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub myth: Option<String>,
    /// Names of other rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    /// Where all that is from.
    pub source: Vec<String>,
    /// Kernel and date of a reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_on: Option<String>,
    /// Kernel and date of a measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_on: Option<String>,
    /// Year and month after which to look again.
    pub best_before: String,
    /// What to set it to, by goal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommend: Vec<Recommendation>,
}

/// What to set a setting to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recommendation {
    /// For whom.
    pub goals: Vec<Goal>,
    /// At which end of the connections.
    pub side: Side,
    /// Whether a host that has more, or less, keeps it.
    pub how: How,
    /// The value, if it is a number or several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Amount>,
    /// The value, if it is a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// Why this value.
    pub because: String,
}

/// One number or several, each a formula.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// One.
    One(Formula),
    /// Several, as in tcp_rmem.
    Several(Vec<Formula>),
}

/// What sort of setting it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file below /proc/sys.
    Sysctl,
    /// A resource limit of a process, setrlimit(2).
    Rlimit,
    /// A file below /sys or /proc that is no sysctl.
    Sysfs,
    /// What ethtool(8) or netlink sets of a device.
    Device,
    /// The kernel's command line.
    Boot,
    /// A socket option, or a flag of a system call.
    Socket,
    /// A control group's file.
    Cgroup,
    /// A unit's or a service manager's setting.
    Systemd,
}

/// Whom a change reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything on the host.
    Host,
    /// A network namespace.
    Namespace,
    /// A process.
    Process,
    /// A socket.
    Socket,
    /// A network device.
    Device,
    /// Everything, from the next boot on.
    Boot,
    /// A control group.
    Cgroup,
    /// A unit of systemd.
    Unit,
}

/// What a child network namespace sees of a sysctl of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InNamespaces {
    /// Nothing.
    Absent,
    /// Its value, which cannot be written there.
    ReadOnly,
}

/// Whom a change finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applies {
    /// Everything at once.
    Now,
    /// Listeners that listen after it.
    Listen,
    /// Sockets made after it.
    Socket,
    /// Processes started after it.
    Process,
    /// Network namespaces made after it.
    Namespace,
    /// Devices made after it.
    Device,
    /// The unit from its next start on.
    Start,
    /// The host from the next boot on.
    Boot,
}

/// How a value is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// A host that has more keeps it.
    AtLeast,
    /// A host that has less keeps it.
    AtMost,
    /// This and no other.
    Exactly,
}

impl How {
    /// The value of a host that has `now` and should have `wanted`, several numbers one by one. What are no numbers, or not
    /// equally many, are as wanted.
    pub fn value(self, now: &str, wanted: &str) -> String {
        let numbers = |text: &str| text.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<u64>>>();
        let choose = match self {
            How::Exactly => None,
            How::AtLeast => Some(u64::max as fn(u64, u64) -> u64),
            How::AtMost => Some(u64::min as fn(u64, u64) -> u64),
        };
        match (choose, numbers(now), numbers(wanted)) {
            (Some(choose), Some(now), Some(numbers)) if now.len() == numbers.len() => {
                let chosen = now.iter().zip(&numbers).map(|(now, wanted)| choose(*now, *wanted).to_string());
                chosen.collect::<Vec<_>>().join(" ")
            }
            _ => wanted.to_owned(),
        }
    }
}

impl Rule {
    /// The recommendation for a goal at one end of the connections.
    pub fn recommended(&self, goal: Goal, side: Side) -> Option<&Recommendation> {
        let fits =
            |each: &&Recommendation| each.goals.contains(&goal) && (each.side == side || each.side == Side::Both);
        self.recommend.iter().find(fits)
    }

    /// The kernel's own value on a host, as /proc/sys prints it but with single spaces; `None`: the host does not show
    /// what it depends on, or there is none.
    pub fn default_value(&self, variables: &Variables) -> Option<String> {
        match (&self.default, &self.default_word) {
            (Some(amount), _) => amount.words(variables),
            (None, word) => word.clone(),
        }
    }
}

impl Recommendation {
    /// The value for a host, as it is written.
    pub fn wanted(&self, variables: &Variables) -> Option<String> {
        match (&self.value, &self.word) {
            (Some(amount), _) => amount.words(variables),
            (None, word) => word.clone(),
        }
    }
}

impl Amount {
    /// The formulas.
    pub fn formulas(&self) -> &[Formula] {
        match self {
            Amount::One(formula) => std::slice::from_ref(formula),
            Amount::Several(formulas) => formulas,
        }
    }

    /// The numbers for a host; `None`: it does not show what one of them depends on.
    pub fn numbers(&self, variables: &Variables) -> Option<Vec<i128>> {
        self.formulas().iter().map(|formula| formula.value(variables)).collect()
    }

    /// The same with spaces between them.
    pub fn words(&self, variables: &Variables) -> Option<String> {
        let numbers = self.numbers(variables)?;
        Some(numbers.iter().map(i128::to_string).collect::<Vec<_>>().join(" "))
    }
}

// By hand, because an untagged enum would not tell what is wrong with a formula.
impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        struct Formulas;
        impl<'de> Visitor<'de> for Formulas {
            type Value = Amount;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a formula, or a list of them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
                Formula::deserialize(StrDeserializer::new(text)).map(Amount::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Amount, A::Error> {
                let mut formulas = Vec::new();
                while let Some(formula) = list.next_element()? {
                    formulas.push(formula);
                }
                Ok(Amount::Several(formulas))
            }
        }
        deserializer.deserialize_any(Formulas)
    }
}
