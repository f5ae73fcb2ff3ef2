//! Any bytes in any of the files: the linter never panics, and no line is lost. Proptest prints the seed of a failure
//! and takes it back from PROPTEST_RNG_SEED.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::made::{KERNEL, Root, place};

const FILES: [&str; 9] = [
    "etc/sysctl.conf",
    "etc/sysctl.d/50-a.conf",
    "etc/security/limits.conf",
    "etc/systemd/system.conf",
    "etc/systemd/system/a.service",
    "etc/docker/daemon.json",
    "etc/containers/containers.conf",
    "etc/containers/systemd/a.container",
    "etc/modules-load.d/a.conf",
];

/// Pieces of lines, so that many are nearly right.
fn line() -> impl Strategy<Value = String> {
    let words = |words: &'static [&'static str]| proptest::sample::select(words).prop_map(str::to_owned);
    let known = words(&[
        "net.core.somaxconn",
        "net/ipv4/tcp_rmem",
        "net.ipv4.conf.*.rp_filter",
        "net.ipv4.ip_local_port_range",
        "fs.nr_open",
        "[Service]\nLimitNOFILE",
        "* soft nofile",
        "[[x",
        "-",
    ]);
    let key = prop_oneof![3 => known, 1 => "[a-z./ *\\[-]{0,12}"];
    let sign = words(&[" = ", "=", " ", "", "=="]);
    let odd = words(&["1024:infinity", "-1", "\"5\""]);
    let value = prop_oneof![2 => "[0-9]{0,25}( [0-9x#]{1,12}){0,3}", 1 => odd, 1 => "\\PC{0,12}"];
    (key, sign, value).prop_map(|(key, sign, value)| format!("{key}{sign}{value}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(file in 0..FILES.len(), bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let root = Root::new(KERNEL);
        root.write(FILES[file], &bytes);
        root.lint(&place());
    }

    #[test]
    fn no_line_is_lost(lines in proptest::collection::vec(line(), 0..12)) {
        let text = lines.join("\n");
        let root = Root::new(KERNEL);
        for file in FILES {
            root.write(file, text.as_bytes());
        }
        let lint = root.lint(&place());
        for file in ["/etc/sysctl.conf", "/etc/sysctl.d/50-a.conf", "/etc/security/limits.conf"] {
            let mistakes = lint.mistakes.iter().filter(|mistake| mistake.file == file);
            let mut seen: BTreeSet<usize> = mistakes.filter_map(|mistake| mistake.line).collect();
            let assignments = lint.values.iter().flat_map(|value| &value.assignments);
            seen.extend(assignments.filter(|each| each.file == file).map(|each| each.line));
            for (index, line) in text.lines().enumerate() {
                let line = line.trim();
                let is_comment = line.is_empty() || line.starts_with('#') || line.starts_with(';') && !file.contains("limits");
                // `-key` keeps patterns off, and `user -` switches limits off.
                let is_known = line.starts_with('-') && !line.contains('=')
                    || file.contains("limits") && line.split_whitespace().nth(1).is_some_and(|word| word.starts_with('-'));
                prop_assert!(is_comment || is_known || seen.contains(&(index + 1)), "{file}:{}: {line:?} is lost", index + 1);
            }
        }
    }
}
