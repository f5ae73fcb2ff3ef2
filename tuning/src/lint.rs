//! Reads a host's configuration files in the order in which the system does, and finds mistakes in them: which file
//! wins, which value is live, what a reboot would change, what is dead, misspelt, refused or a myth. Changes nothing.

mod containers;
mod effective;
mod files;
mod ini;
mod limits;
mod line;
mod mistake;
mod mistakes;
mod names;
mod numbers;
mod order;
mod place;
mod refusal;
mod subject;
mod sysctl_d;
mod tree;
mod units;
mod value;

use std::path::Path;

use serde::Serialize;

pub use mistake::{Mistake, MistakeKind};
pub use place::Place;
pub use value::{AfterReboot, Assignment, Effective, FileRead, Reach, Standing};

use crate::knowledge::Knowledge;
use files::Files;
use subject::Subject;
use tree::Tree;

/// What the files of a host say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lint {
    /// Files, each kind in the order in which the system reads them.
    pub files: Vec<FileRead>,
    /// Settings that some file assigns.
    pub values: Vec<Effective>,
    /// What is wrong, or worth knowing, by file and line.
    pub mistakes: Vec<Mistake>,
}

impl Lint {
    /// Reads the files below `root` and judges them by what is known of each setting.
    pub fn of(root: &Path, knowledge: &Knowledge, place: &Place) -> Lint {
        with_subject(root, knowledge, place, |subject| {
            let values = effective::values(subject);
            let mistakes = mistakes::all(subject, &values);
            Lint { values, mistakes, files: subject.files.list.clone() }
        })
    }
}

/// Whom a sysctl reaches, or why it is absent below `root`.
pub fn reach(root: &Path, knowledge: &Knowledge, place: &Place, key: &str) -> Reach {
    with_subject(root, knowledge, place, |subject| effective::reach(subject, key, subject.live(key).is_some()))
}

/// Does `work` with all that the files below `root` say.
fn with_subject<T>(root: &Path, knowledge: &Knowledge, place: &Place, work: impl FnOnce(&Subject<'_>) -> T) -> T {
    let tree = Tree::new(root);
    let mut files = Files::default();
    let sysctls = sysctl_d::read(&tree, place.has_systemd, &mut files);
    let limits = limits::read(&tree, &mut files);
    let units = units::read(&tree, &mut files);
    let containers = containers::read(&tree, &mut files);
    let modules = sysctl_d::modules_at_boot(&tree, &mut files);
    let names = subject::shown(root);
    work(&Subject {
        tree: &tree,
        knowledge,
        place,
        files: &files,
        boot: subject::outcome(&sysctls.boot, &names),
        by_sysctl: subject::outcome(&sysctls.by_sysctl, &names),
        sysctls: &sysctls,
        limits: &limits,
        units: &units,
        containers: &containers,
        modules: &modules,
        users: &subject::users(&tree),
        names: &names,
    })
}
