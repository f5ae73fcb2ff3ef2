//! The files of `tuning/rules`, as they were when the program was built. A test compares the list with the directory.

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../rules/", $name)))),*]
    };
}

/// Names and texts, in the order in which people meet the settings.
pub(super) const FILES: &[(&str, &str)] = files![
    "descriptors.toml",
    "systemd.toml",
    "cgroup.toml",
    "tables.toml",
    "accept.toml",
    "ports.toml",
    "sockets.toml",
    "timers.toml",
    "buffers.toml",
    "softirq.toml",
    "nic.toml",
    "conntrack.toml",
    "cpu.toml",
    "boot.toml"
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_forgotten() {
        let directory = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules")).expect("the rules");
        let mut there: Vec<String> = directory
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".toml"))
            .collect();
        let mut known: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        there.sort();
        known.sort_unstable();
        assert_eq!(known, there);
    }
}
