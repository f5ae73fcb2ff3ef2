//! Files that cannot be read.

use crate::State;
use crate::lint::mistake::{Mistake, MistakeKind};
use crate::lint::subject::Subject;

pub(super) fn troubles(subject: &Subject<'_>) -> Vec<Mistake> {
    let mistake = |trouble: &crate::lint::tree::Trouble| {
        let path = &trouble.path;
        let (state, mend) = match trouble.kind {
            MistakeKind::Unreadable => (State::Info, "run it as root".to_owned()),
            MistakeKind::NotUtf8 => (State::Warn, format!("iconv --from-code=ISO-8859-1 --to-code=UTF-8 {path}")),
            // Packages leave links behind when they are removed. Settings of whoever runs the host are missed.
            MistakeKind::DanglingLink if !holds_settings(path) => (State::Info, format!("rm {path}")),
            MistakeKind::DanglingLink | MistakeKind::LinkLoop => (State::Warn, format!("rm {path}")),
            MistakeKind::NotUnderstood => {
                (State::Bad, "correct the file; until then none of it is in force".to_owned())
            }
            _ => (State::Warn, "put a text file there, or remove it".to_owned()),
        };
        let says = trouble.says.clone();
        let source = "path_resolution(7), systemd.syntax(7)".to_owned();
        Mistake { id: trouble.kind, state, file: path.clone(), line: None, text: String::new(), says, mend, source }
    };
    subject.files.troubles.iter().map(mistake).collect()
}

fn holds_settings(path: &str) -> bool {
    ["/sysctl", "/security/", "/docker/", "/containers/"].iter().any(|part| path.contains(part))
}
