//! Loads rules, and refuses those that nobody could rely on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use super::embedded::FILES;
use super::rule::{Kind, Rule};

/// All rules, in the order of their files, each name once.
#[derive(Debug, Clone, PartialEq)]
pub struct Knowledge {
    rules: Vec<Rule>,
}

/// Why rules do not load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// A directory has no file of rules.
    #[error("{} has no file whose name ends in .toml", .0.display())]
    Empty(PathBuf),
    /// A file is no TOML, or has a record with an unknown field, without a required one, or with a wrong formula.
    #[error("{file}: {why}")]
    Record {
        /// The file.
        file: String,
        /// What is wrong, with its line.
        why: String,
    },
    /// A record says too little, or contradicts itself.
    #[error("{file}: the rule {rule}: {why}")]
    Rule {
        /// The file.
        file: String,
        /// The rule's name.
        rule: String,
        /// What is wrong.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Records {
    #[serde(default)]
    rule: Vec<Rule>,
}

impl Knowledge {
    /// The rules that are built into the program.
    ///
    /// # Panics
    /// Never: a test loads them.
    pub fn embedded() -> &'static Knowledge {
        static EMBEDDED: LazyLock<Knowledge> = LazyLock::new(|| {
            let files = FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            Knowledge::of(files).expect("the rules of the program load")
        });
        &EMBEDDED
    }

    /// The rules of a directory, its files in the order of their names.
    ///
    /// # Errors
    /// If a file cannot be read or a rule cannot be used; then none of them is.
    pub fn read(directory: &Path) -> Result<Knowledge, LoadError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |why| LoadError::Unreadable { path, why }
        };
        let entries: Result<Vec<PathBuf>, io::Error> =
            fs::read_dir(directory).map_err(unreadable(directory))?.map(|entry| Ok(entry?.path())).collect();
        let mut paths = entries.map_err(unreadable(directory))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        if paths.is_empty() {
            return Err(LoadError::Empty(directory.to_owned()));
        }
        let files: Result<Vec<(String, String)>, LoadError> = paths
            .iter()
            .map(|path| Ok((path.display().to_string(), fs::read_to_string(path).map_err(unreadable(path))?)))
            .collect();
        Knowledge::of(files?.into_iter())
    }

    /// The rules in `files`, names and texts.
    ///
    /// # Errors
    /// If a rule cannot be used; then none of them is.
    pub fn parse(files: &[(&str, &str)]) -> Result<Knowledge, LoadError> {
        Knowledge::of(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    fn of(files: impl Iterator<Item = (String, String)>) -> Result<Knowledge, LoadError> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for (file, text) in files {
            let records: Records = toml::from_str(&text)
                .map_err(|error| LoadError::Record { file: file.clone(), why: error.to_string() })?;
            for rule in records.rule {
                let wrong = |why| LoadError::Rule { file: file.clone(), rule: rule.name.clone(), why };
                check(&rule).map_err(wrong)?;
                if let Some(other) = known.insert(rule.name.clone(), file.clone()) {
                    return Err(wrong(format!("it is in {other}, too")));
                }
                rules.push(rule);
            }
        }
        Ok(Knowledge { rules })
    }

    /// All rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of a name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The rule of a sysctl, by a name with dots, slashes or a mixture, as sysctl(8) and sysctl.d(5) take them.
    pub fn sysctl(&self, name: &str) -> Option<&Rule> {
        let name = name.replace('/', ".");
        self.rules.iter().find(|rule| rule.kind == Kind::Sysctl && rule.name == name)
    }
}

/// What a record must have besides its fields' types.
fn check(rule: &Rule) -> Result<(), String> {
    let empty = |text: &str| text.trim().is_empty();
    let required =
        [("name", &rule.name), ("title", &rule.title), ("unit", &rule.unit), ("what", &rule.what), ("why", &rule.why)];
    if let Some((field, _)) = required.iter().find(|(_, text)| empty(text)) {
        return Err(format!("`{field}` is empty"));
    }
    if rule.source.is_empty() || rule.source.iter().any(|source| empty(source)) {
        return Err("it names no source, and what nobody can look up is not kept".to_owned());
    }
    if rule.default.is_some() && rule.default_word.is_some() {
        return Err("it has both `default` and `default_word`".to_owned());
    }
    if !is_month(&rule.best_before) {
        return Err(format!("`best_before` is {:?}, not a month such as 2028-12", rule.best_before));
    }
    for version in [&rule.since, &rule.removed].into_iter().flatten() {
        if release(version).is_none() {
            return Err(format!("{version:?} is no kernel version such as 5.4"));
        }
    }
    for each in &rule.recommend {
        if each.goals.is_empty() || empty(&each.because) {
            return Err("a recommendation without a goal or a reason".to_owned());
        }
        if each.value.is_some() == each.word.is_some() {
            return Err("a recommendation needs either `value` or `word`".to_owned());
        }
    }
    Ok(())
}

fn is_month(text: &str) -> bool {
    let Some((year, month)) = text.split_once('-') else { return false };
    year.len() == 4
        && year.parse::<u16>().is_ok()
        && month.len() == 2
        && month.parse().is_ok_and(|m| (1..=12).contains(&m))
}

/// The numbers of a kernel version such as `5.4` or `6.18.44-generic`.
pub(crate) fn release(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split(|sign: char| !sign.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [[rule]]
        name = "net.core.somaxconn"
        title = "accept queue"
        kind = "sysctl"
        scope = "namespace"
        applies = "listen"
        unit = "connections"
        default = "4096"
        what = "The longest accept queue."
        why = "A burst that is longer is dropped."
        source = ["listen(2)"]
        best_before = "2028-12"

        [[rule.recommend]]
        goals = ["c10k", "conn-rate"]
        side = "server"
        how = "at-least"
        value = "max(4096, rate / 10)"
        because = "a tenth of a second"
    "#;

    fn load(text: &str) -> Result<Knowledge, LoadError> {
        Knowledge::of([("rules.toml".to_owned(), text.to_owned())].into_iter())
    }

    #[test]
    fn a_whole_record_loads() {
        let knowledge = load(GOOD).unwrap();
        let rule = knowledge.sysctl("net/core/somaxconn").unwrap();
        assert_eq!(rule.recommend[0].goals.len(), 2);
        assert_eq!(knowledge.rule("net.core.somaxconn"), Some(rule));
        assert_eq!(knowledge.sysctl("net.core.somaxcon"), None);
    }

    #[test]
    fn what_nobody_could_rely_on_does_not_load() {
        for (from, to, expected) in [
            (r#"["listen(2)"]"#, "[]", "no source"),
            (r#"["listen(2)"]"#, r#"[" "]"#, "no source"),
            (r#"source = ["listen(2)"]"#, "", "source"),
            ("title", "titel", "titel"),
            (r#"default = "4096""#, r#"default = "4096 x""#, "no formula"),
            (r#"default = "4096""#, r#"default = "memory""#, "memory"),
            (r#"default = "4096""#, "default = \"1\"\ndefault_word = \"a\"", "both"),
            ("2028-12", "2028", "month"),
            ("2028-12", "2028-13", "month"),
            (r#""sysctl""#, r#""sysctls""#, "sysctls"),
            (r#"goals = ["c10k", "conn-rate"]"#, "goals = []", "without a goal"),
            (r#"goals = ["c10k", "conn-rate"]"#, r#"goals = ["c10g"]"#, "c10g"),
            (r#"value = "max(4096, rate / 10)""#, "", "either"),
            ("unit = \"connections\"", "unit = \"\"", "unit"),
            ("unit = \"connections\"", "unit = \"x\"\nsince = \"old\"", "version"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = load(&GOOD.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(error.contains(expected) && error.starts_with("rules.toml"), "{to}: {error}");
        }
        assert!(load(&[GOOD, GOOD].concat()).unwrap_err().to_string().contains("it is in"));
    }

    #[test]
    fn a_directory_needs_files() {
        let missing = Path::new("/nonexistent/rules");
        assert!(Knowledge::read(missing).unwrap_err().to_string().contains("/nonexistent/rules"));
        assert!(matches!(Knowledge::read(Path::new("/proc/self/task")), Err(LoadError::Empty(_))));
    }
}
