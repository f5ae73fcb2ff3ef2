//! The rules that are built in: they load, say where they are from, name each other, and their defaults are those of the
//! kernel that runs the test.

use std::collections::BTreeSet;
use std::path::Path;

use host::sysctl::{Access, access, value};
use host::{Facts, Namespace};
use tuning::knowledge::{Goal, InNamespaces, Kind, Knowledge, Rule, Scope, Side, Variables};

/// As many as the issue asks for.
const RULES_MIN: usize = 80;

fn rules() -> &'static [Rule] {
    Knowledge::embedded().rules()
}

#[test]
fn there_are_rules_of_every_kind() {
    assert!(rules().len() >= RULES_MIN, "{}", rules().len());
    let kinds: BTreeSet<Kind> = rules().iter().map(|rule| rule.kind).collect();
    let all =
        [Kind::Sysctl, Kind::Rlimit, Kind::Sysfs, Kind::Device, Kind::Boot, Kind::Socket, Kind::Cgroup, Kind::Systemd];
    assert!(all.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    for goal in Goal::ALL {
        let count = rules().iter().filter(|rule| rule.recommended(goal, Side::Server).is_some()).count();
        assert!(count > 0, "no rule is for {}", goal.name());
    }
}

#[test]
fn rules_name_rules_that_exist() {
    for rule in rules() {
        for other in &rule.related {
            assert!(Knowledge::embedded().rule(other).is_some(), "{}: {other}", rule.name);
            assert_ne!(*other, rule.name);
        }
        let known = ["TcpExt.", "Tcp.", "Ip.", "IpExt.", "softnet.", "sockstat.", "file-nr.", "conntrack."];
        for counter in &rule.counters {
            assert!(known.iter().any(|family| counter.starts_with(family)), "{}: {counter}", rule.name);
        }
        let is_host = rule.kind == Kind::Sysctl && rule.scope == Scope::Host;
        assert!(is_host || rule.in_namespaces.is_none(), "{}", rule.name);
    }
}

/// No word of a rule leads a reader to this machine, or makes a line that a terminal obeys.
#[test]
fn texts_are_plain() {
    for rule in rules() {
        let text = serde_json::to_string(rule).expect("JSON");
        for word in ["/home/", "/root", "\\n", "\\t"] {
            assert!(!text.contains(word), "{}: {word}", rule.name);
        }
    }
}

/// A sysctl whose default can be read here: in a fresh namespace if it is one's own there, else from the host.
fn differs(rule: &Rule, variables: &Variables) -> Option<String> {
    let found = value(Path::new("/"), &rule.name)?;
    let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = rule.default_value(variables)?;
    let numbers = |text: &str| text.split(' ').map(|word| word.parse().ok()).collect::<Option<Vec<f64>>>();
    let near = |within: f64| match (numbers(&found), numbers(&expected)) {
        (Some(found), Some(expected)) if found.len() == expected.len() => found
            .iter()
            .zip(&expected)
            .all(|(found, expected)| (found - expected).abs() <= expected.abs() * within / 100.0 + 1.0),
        _ => false,
    };
    let is_it = found == expected || rule.default_within.is_some_and(near);
    (!is_it).then(|| format!("{}: {expected} is claimed, and it is {found}", rule.name))
}

fn checked(is_checked: impl Fn(&Rule) -> bool, variables: &Variables) -> (usize, Vec<String>) {
    let sysctls = rules().iter().filter(|rule| rule.kind == Kind::Sysctl && rule.removed.is_none());
    let readable = sysctls.filter(|rule| is_checked(rule) && value(Path::new("/"), &rule.name).is_some());
    let all: Vec<&Rule> = readable.collect();
    let wrong = all.iter().filter_map(|rule| differs(rule, variables)).collect();
    (all.len(), wrong)
}

#[test]
fn defaults_are_those_of_this_kernel() {
    let facts = Facts::of_this_host();
    let variables = Variables::of(&facts);
    // What others change is not the kernel's default, and says so.
    let is_own = |rule: &Rule| rule.default_varies.is_none();
    let (hosts, wrong) = checked(|rule| rule.scope == Scope::Host && is_own(rule), &variables);
    assert_eq!(wrong, Vec::<String>::new(), "of the host");
    assert!(hosts > 15, "only {hosts} were compared");
    // A namespace of this thread's own, where nobody has changed anything.
    let compared = std::thread::spawn(move || {
        if sys::namespace::enter_new().is_err() {
            eprintln!("skipped, no network namespace can be made here: run as root");
            assert!(std::env::var_os("CI").is_none(), "in CI it has to be possible");
            return 0;
        }
        let (count, wrong) = checked(|rule| rule.scope == Scope::Namespace && is_own(rule), &variables);
        assert_eq!(wrong, Vec::<String>::new(), "of a fresh namespace");
        count
    });
    let compared = compared.join().expect("the namespace's thread");
    assert!(compared == 0 || compared > 40, "only {compared} were compared");
}

/// What a namespace sees of a setting is what its rule says.
#[test]
fn scopes_are_those_of_this_kernel() {
    if host::namespace() != Namespace::First {
        eprintln!("skipped: the first namespace is needed to compare with");
        return;
    }
    let outside = |rule: &Rule| access(Path::new("/"), &rule.name);
    let known: Vec<(&Rule, Access)> = rules()
        .iter()
        .filter(|rule| rule.kind == Kind::Sysctl)
        .map(|rule| (rule, outside(rule)))
        .filter(|(_, found)| *found != Access::Absent)
        .collect();
    assert!(known.len() > 60, "only {} are here", known.len());
    for (rule, _) in &known {
        assert!(rule.removed.is_none(), "{} is not gone", rule.name);
    }
    let wrong = std::thread::spawn(move || {
        if sys::namespace::enter_new().is_err() {
            return vec![];
        }
        let mut wrong = Vec::new();
        for (rule, outside) in known {
            let inside = access(Path::new("/"), &rule.name);
            let expected = match (rule.scope, rule.in_namespaces) {
                (_, Some(InNamespaces::Absent)) => Access::Absent,
                (_, Some(InNamespaces::ReadOnly)) => Access::ReadOnly,
                _ => outside,
            };
            if inside != expected {
                wrong.push(format!("{}: {expected:?} is claimed, and it is {inside:?}", rule.name));
            }
        }
        wrong
    });
    assert_eq!(wrong.join().expect("the namespace's thread"), Vec::<String>::new());
}
