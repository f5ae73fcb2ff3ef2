//! The files that keep settings over a reboot.

use std::path::{Path, PathBuf};

use textwrap::{WordSeparator, WordSplitter, WrapAlgorithm};

use super::profile::Wanted;

/// Settings of a module, which may be loaded later.
const OF_A_MODULE: &str = "net.netfilter.";
/// Characters of a line of comment.
const COMMENT_WIDTH: usize = 110;

/// The drop-in for sysctl(8) and systemd-sysctl(8). Files are read in the order of their names (sysctl.d(5)); those of
/// packages begin with 10 to 60, and an administrator can still override this one.
pub const SYSCTL_FILE: &str = "/etc/sysctl.d/90-c10m.conf";

/// The drop-in of a unit, such as `c10m-serve.service`; a name without a suffix is a service's. `None`: it is no name
/// of a unit (systemd.unit(5)).
pub fn unit_file(unit: &str) -> Option<PathBuf> {
    let unit = if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") };
    let is_allowed = |sign: char| sign.is_ascii_alphanumeric() || ":-_.\\@".contains(sign);
    let (name, suffix) = unit.rsplit_once('.')?;
    // LimitNOFILE= stands in the sections of units that start processes: systemd.exec(5).
    let section = matches!(suffix, "service" | "socket" | "mount" | "swap");
    let is_name = !name.is_empty() && unit.len() <= 255 && unit.chars().all(is_allowed);
    (is_name && section).then(|| Path::new("/etc/systemd/system").join(format!("{unit}.d/90-c10m.conf")))
}

/// The text of a file for sysctl(8): what it is about, then values with the reasons for them.
pub(crate) fn sysctl_text<'a>(about: &str, settings: impl Iterator<Item = (&'a Wanted, &'a str)>) -> String {
    let mut text = comment(about);
    for (wanted, value) in settings {
        text.push('\n');
        text.push_str(&comment(&wanted.because));
        // A table that is not there yet is no error: sysctl.d(5) lets those of a `-` pass.
        let may_lack = if wanted.name.starts_with(OF_A_MODULE) { "-" } else { "" };
        text.push_str(&format!("{may_lack}{} = {value}\n", wanted.name));
    }
    text
}

/// The hard limit that systemd gives by itself (systemd.exec(5)): one number would set both, and lower it.
const HARD_LIMIT: u64 = 524_288;

/// A unit's section with the limit.
pub(crate) fn unit_lines(section: &str, open_files: u64) -> String {
    let hard = if open_files < HARD_LIMIT { format!(":{HARD_LIMIT}") } else { String::new() };
    format!("[{section}]\nLimitNOFILE={open_files}{hard}\n")
}

/// The text of a unit's drop-in.
pub(super) fn unit_text(about: &str, unit_file: &Path, open_files: u64) -> String {
    let is = |suffix: &str| unit_file.to_string_lossy().contains(&format!(".{suffix}.d/"));
    let section = if is("socket") {
        "Socket"
    } else if is("mount") {
        "Mount"
    } else if is("swap") {
        "Swap"
    } else {
        "Service"
    };
    comment(about) + &unit_lines(section, open_files)
}

/// The first lines of a file that this program writes.
pub(super) fn about(what: &str) -> String {
    format!("{what}. `c10m tune revert --write` takes it back; `c10m tune explain NAME` tells more.")
}

/// Lines of comment, as sysctl.d(5) and systemd.syntax(7) have them. Each takes the words that fit, as in other programs
/// that write the same file.
pub(crate) fn comment(text: &str) -> String {
    let options = textwrap::Options::new(COMMENT_WIDTH)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::wrap(text, options).iter().map(|line| format!("# {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_names() {
        for (unit, expected) in [
            ("nginx", Some("/etc/systemd/system/nginx.service.d/90-c10m.conf")),
            ("c10m-serve.service", Some("/etc/systemd/system/c10m-serve.service.d/90-c10m.conf")),
            ("user@1000.service", Some("/etc/systemd/system/user@1000.service.d/90-c10m.conf")),
            ("x.socket", Some("/etc/systemd/system/x.socket.d/90-c10m.conf")),
            ("x.timer", None),
            ("../x", None),
            ("a/b.service", None),
            (".service", None),
            ("", None),
        ] {
            assert_eq!(unit_file(unit).as_deref(), expected.map(Path::new), "{unit}");
        }
        let text = unit_text("x", &unit_file("a.socket").unwrap(), 5);
        assert!(text.ends_with("[Socket]\nLimitNOFILE=5:524288\n"), "{text}");
        assert_eq!(unit_lines("Service", 1_000_000), "[Service]\nLimitNOFILE=1000000\n");
    }
}
