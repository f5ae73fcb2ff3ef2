//! Reads /etc/sysctl.conf and the files of sysctl.d as their two readers do. systemd-sysctl reads sysctl.d at boot, and
//! sysctl.conf only if a link in sysctl.d leads to it (sysctl.d(5)). `sysctl --system` reads the same and then
//! sysctl.conf (sysctl(8)); without systemd, the boot does that.

use std::path::Path;

use super::files::Files;
use super::line::Line;
use super::order;
use super::tree::Tree;
use super::value::{FileRead, Standing};

/// Most important first.
const PLACES: [&str; 5] = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];
/// What only procps reads.
pub(crate) const SYSCTL_CONF: &str = "/etc/sysctl.conf";

/// A line of a file of sysctls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `key = value`.
    Set(Setting),
    /// `-key`: patterns leave the key alone.
    Exclude {
        /// With dots between the parts.
        key: String,
    },
    /// Anything else but blank lines and comments.
    Broken(Line),
}

/// `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) at: Line,
    /// With dots between the parts.
    pub(crate) key: String,
    pub(crate) value: String,
    /// `-key = value`: whoever wrote it knows that it can fail.
    pub(crate) may_fail: bool,
}

/// The lines in the order in which each reader applies them. Where both apply a line, both lists have it.
#[derive(Debug, Default)]
pub(crate) struct Sysctls {
    pub(crate) boot: Vec<Entry>,
    pub(crate) by_sysctl: Vec<Entry>,
    /// Lines of sysctl.conf that the boot does not read.
    pub(crate) unread: Vec<Setting>,
    /// Whether a link in sysctl.d leads to sysctl.conf, so that its lines are also those of the link.
    is_linked: bool,
}

impl Sysctls {
    /// Every line once: what the boot reads, then what only sysctl(8) reads.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let conf = self.by_sysctl.iter().filter(|entry| !self.is_linked && entry.file() == Some(SYSCTL_CONF));
        self.boot.iter().filter(|entry| entry.file() != Some(SYSCTL_CONF)).chain(conf)
    }

    /// Whether one is a line of sysctl.conf, and the other is the same line seen through a link in sysctl.d.
    pub(crate) fn is_link_of(&self, link: &Setting, conf: &Setting) -> bool {
        let (one, other) = (&link.at, &conf.at);
        self.is_linked && other.file == SYSCTL_CONF && (one.number, &one.text) == (other.number, &other.text)
    }

    pub(crate) fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.entries().filter_map(Entry::setting)
    }
}

impl Entry {
    pub(crate) fn setting(&self) -> Option<&Setting> {
        match self {
            Entry::Set(setting) => Some(setting),
            _ => None,
        }
    }

    fn file(&self) -> Option<&str> {
        match self {
            Entry::Set(Setting { at, .. }) | Entry::Broken(at) => Some(&at.file),
            Entry::Exclude { .. } => None,
        }
    }
}

/// Reads all of them.
pub(crate) fn read(tree: &Tree<'_>, has_systemd: bool, files: &mut Files) -> Sysctls {
    let listing = order::listing(tree, &order::below(&PLACES, "sysctl.d"), ".conf");
    let mut sysctls = Sysctls::default();
    for file in files.add(listing) {
        let Some(text) = files.text(tree, &file) else { continue };
        sysctls.boot.extend(entries(&file, &text));
    }
    sysctls.by_sysctl.clone_from(&sysctls.boot);
    let linked = files.lead_to(SYSCTL_CONF);
    sysctls.is_linked = linked;
    if let Some(mut file) = order::entry(tree, SYSCTL_CONF.to_owned(), &mut files.troubles) {
        let is_readable = file.standing != Standing::Trouble;
        if has_systemd && is_readable {
            file.standing = if linked { Standing::Read } else { Standing::ReadBySysctlOnly };
        }
        files.list.push(file);
        if let Some(text) = files.text(tree, SYSCTL_CONF).filter(|_| is_readable) {
            sysctls.by_sysctl.extend(entries(SYSCTL_CONF, &text));
        }
    }
    if has_systemd {
        let unread = |entry: &Entry| match entry {
            Entry::Set(setting) if setting.at.file == SYSCTL_CONF && !linked => Some(setting.clone()),
            _ => None,
        };
        sysctls.unread = sysctls.by_sysctl.iter().filter_map(unread).collect();
    } else {
        sysctls.boot.clone_from(&sysctls.by_sysctl);
    }
    sysctls
}

/// Modules that are loaded before sysctls are set: modules-load.d(5), and /etc/modules, to which Debian links.
pub(crate) fn modules_at_boot(tree: &Tree<'_>, files: &mut Files) -> Vec<String> {
    let listing = order::listing(tree, &order::below(&PLACES, "modules-load.d"), ".conf");
    let mut paths: Vec<String> = listing.files.into_iter().map(|file: FileRead| file.path).collect();
    paths.push("/etc/modules".to_owned());
    let mut modules = Vec::new();
    for path in paths {
        let Some(text) = files.text(tree, &path) else { continue };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
        modules.extend(lines.filter_map(|line| Some(line.split_whitespace().next()?.replace('-', "_"))));
    }
    modules
}

/// The lines of one file.
fn entries(file: &str, text: &str) -> Vec<Entry> {
    text.lines().enumerate().filter_map(|(index, line)| entry(Line::new(file, index, line))).collect()
}

fn entry(at: Line) -> Option<Entry> {
    let text = at.text.trim();
    if text.is_empty() || text.starts_with(['#', ';']) {
        return None;
    }
    let (may_fail, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    Some(match rest.split_once('=') {
        // No name in /proc/sys has a blank; a shell command has.
        Some((key, value)) => match canonical(key).filter(|key| !key.contains(char::is_whitespace)) {
            Some(key) => {
                let value = value.trim().to_owned();
                Entry::Set(Setting { key, value, may_fail, at })
            }
            None => Entry::Broken(at),
        },
        None => match canonical(rest).filter(|key| may_fail && !key.contains(char::is_whitespace)) {
            Some(key) => Entry::Exclude { key },
            None => Entry::Broken(at),
        },
    })
}

/// A key with dots between its parts, so that two ways to write it are the same; `None`: it names nothing.
pub(crate) fn canonical(key: &str) -> Option<String> {
    let key = key.trim().trim_start_matches('/');
    let path = ::host::sysctl::path(Path::new("/"), key)?;
    let below = path.to_str()?.strip_prefix("/proc/sys/")?;
    let swap = |sign| match sign {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    Some(below.chars().map(swap).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Entry> {
        entry(Line::new("/etc/sysctl.d/a.conf", 0, text))
    }

    #[test]
    fn lines_are_read_as_systemd_reads_them() {
        for (text, key, value, may_fail) in [
            ("net.core.somaxconn=1024", "net.core.somaxconn", "1024", false),
            ("  net/core/somaxconn =  1024 ", "net.core.somaxconn", "1024", false),
            ("-net.core.somaxconn = 1", "net.core.somaxconn", "1", true),
            ("net.ipv4.conf.eth0/5.forwarding = 1", "net.ipv4.conf.eth0/5.forwarding", "1", false),
            ("net/ipv4/conf/eth0.5/forwarding = 1", "net.ipv4.conf.eth0/5.forwarding", "1", false),
            ("kernel.core_pattern=|/bin/x a=b", "kernel.core_pattern", "|/bin/x a=b", false),
            ("net.ipv4.conf.*.rp_filter = 2", "net.ipv4.conf.*.rp_filter", "2", false),
            ("a =", "a", "", false),
        ] {
            let Some(Entry::Set(setting)) = parse(text) else { panic!("{text}") };
            assert_eq!((setting.key.as_str(), setting.value.as_str(), setting.may_fail), (key, value, may_fail));
        }
        for text in ["", "   ", "# a = 1", " ; a = 1"] {
            assert_eq!(parse(text), None, "{text}");
        }
        let key = "net.ipv4.conf.all.rp_filter".to_owned();
        assert_eq!(parse("-net.ipv4.conf.all.rp_filter"), Some(Entry::Exclude { key }));
        for text in ["net.core.somaxconn 1024", "- a b", "= 1", "..=1", "net..core = 1", "-", "sysctl -w a.b=1"] {
            assert!(matches!(parse(text), Some(Entry::Broken(_))), "{text}");
        }
    }
}
