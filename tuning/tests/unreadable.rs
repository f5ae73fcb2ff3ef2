//! What the audit says of hosts that show nothing, show nonsense, or are asked for absurd numbers.

mod root;

use root::{DESKTOP, Root, desktop_with, row};
use tuning::IoUring;

#[test]
fn an_empty_root_says_not_readable() {
    let root = Root::new("empty", &[]);
    let audit = root.audit(1024, 1024, 10_000, IoUring::Unavailable("ENOSYS".to_owned()));
    assert_eq!(audit.facts.errors, []);
    for row in &audit.rows {
        let known_anyway = row.id.starts_with("RLIMIT_NOFILE") || row.id == "kernel.io_uring_disabled";
        let absent_is_an_answer = row.found == "absent";
        assert!(known_anyway || absent_is_an_answer || row.found == "not readable", "{row:#?}");
    }
    assert_eq!(audit.tally.bad, 0);
    // One reactor is assumed where the processors are not known.
    assert_eq!(row(&audit, "RLIMIT_NOFILE hard").command.as_deref(), Some("c10m serve echo --reactors 12"));
}

#[test]
fn garbage_is_reported_and_never_panics() {
    for garbage in ["", "\u{fffd}", "-1 -2", "99999999999999999999999", "a:b\nsome avg10=x\nCapEff: zz"] {
        let files: Vec<(&str, &str)> = desktop_with(&[]).iter().map(|(file, _)| (*file, garbage)).collect();
        let root = Root::new("garbage", &files);
        let audit = root.audit(1024, 1024, u64::MAX, IoUring::Available);
        assert!(!audit.facts.errors.is_empty(), "{garbage:?}");
        let reported = audit.rows.iter().filter(|row| row.title == "contents not understood").count();
        assert_eq!(reported, audit.facts.errors.len());
        serde_json::to_string(&audit).unwrap();
    }
}

#[test]
fn any_number_of_connections_can_be_asked_for() {
    let root = Root::new("numbers", DESKTOP);
    for connections in [0, 1, u64::MAX] {
        let audit = root.audit(0, 0, connections, IoUring::Available);
        assert_eq!(audit.rows.len(), audit.tally.ok + audit.tally.info + audit.tally.warn + audit.tally.bad);
    }
}
