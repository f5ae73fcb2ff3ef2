//! The order of files, compared with that of systemd's own tool where there is one.

use std::process::Command;

use proptest::prelude::*;
use tuning::lint::Standing;

use super::made::{KERNEL, Root, place};

const PLACES: [&str; 4] = ["etc", "run", "usr/local/lib", "usr/lib"];
const NAMES: [&str; 7] = ["10-a.conf", "9-b.conf", "99-z.conf", "Z.conf", "a.conf", "a-.conf", "skip.txt"];

/// The files that `systemd-analyze cat-config` prints, in its order; `None`: there is no such program.
fn by_systemd(root: &Root, name: &str) -> Option<Vec<String>> {
    let mut command = Command::new("systemd-analyze");
    let output = command.arg("--root").arg(&root.0).args(["--no-pager", "cat-config", name]).output().ok()?;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let headers = text.lines().filter_map(|line| line.strip_prefix("# ")?.strip_prefix(root.0.to_str().unwrap()));
    Some(headers.map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_are_read_in_the_order_of_systemd(chosen in proptest::collection::btree_set((0..PLACES.len(), 0..NAMES.len()), 1..16)) {
        for (directory, name, main) in [("sysctl.d", "sysctl.d", None), ("systemd/system.conf.d", "systemd/system.conf", Some("etc/systemd/system.conf"))] {
            let root = Root::new(KERNEL);
            for (place, file) in &chosen {
                root.write(&format!("{}/{directory}/{}", PLACES[*place], NAMES[*file]), b"[Manager]\n");
            }
            if let Some(main) = main {
                root.write(main, b"[Manager]\n");
            }
            let Some(expected) = by_systemd(&root, name) else {
                println!("skipped: there is no systemd-analyze");
                return Ok(());
            };
            let lint = root.lint(&place());
            let is_read = |file: &&tuning::lint::FileRead| file.standing == Standing::Read;
            let found: Vec<&str> = lint.files.iter().filter(is_read).map(|file| file.path.as_str()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
