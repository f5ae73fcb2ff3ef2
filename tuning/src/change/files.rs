//! The files that keep settings over a reboot.

use std::path::{Path, PathBuf};

use super::profile::Wanted;

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

/// The text of [`SYSCTL_FILE`] for values and the reasons for them.
pub(super) fn sysctl_text<'a>(what: &str, settings: impl Iterator<Item = (&'a Wanted, &'a str)>) -> String {
    let mut text =
        format!("# {what}. `c10m tune revert --write` takes it back; `c10m tune explain NAME` tells more.\n");
    for (wanted, value) in settings {
        text.push('\n');
        if !wanted.because.is_empty() {
            text.push_str(&format!("# {}\n", wanted.because.replace('\n', " ")));
        }
        text.push_str(&format!("{} = {value}\n", wanted.name));
    }
    text
}

/// The text of a unit's drop-in.
pub(super) fn unit_text(what: &str, unit_file: &Path, open_files: u64) -> String {
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
    format!("# {what}. `c10m tune revert --write` takes it back.\n[{section}]\nLimitNOFILE={open_files}\n")
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
        assert!(text.ends_with("[Socket]\nLimitNOFILE=5\n"), "{text}");
    }
}
