//! Changes and their undoing: whatever step fails or is the last, everything is as it was afterwards, or all is done.
//!
//! A failure prints its seed; `C10M_SEED=<seed> cargo test -p tuning --test change` repeats that one.

mod local;
mod simulated;

use std::path::{Path, PathBuf};

use random::Random;
use simulated::{Fault, Simulated, Tree};
use tuning::change::{
    ApplyError, Draft, Journal, Kept, Profile, RevertError, SYSCTL_FILE, Stage, Standing, Wanted, apply, recover,
    revert, tidy, unit_file,
};
use tuning::knowledge::How;

/// As many plans as the issue asks for.
const PLANS: u64 = 1_000;

fn kept(text: &str) -> Kept {
    Kept { bytes: text.into(), mode: 0o644 }
}

fn with_parents(tree: &mut Tree, path: &Path) {
    tree.directories.extend(path.ancestors().skip(1).filter(|each| *each != Path::new("/")).map(Path::to_owned));
}

fn put(tree: &mut Tree, path: &Path, file: Kept) {
    with_parents(tree, path);
    tree.files.insert(path.to_owned(), file);
}

fn setting(name: &str) -> PathBuf {
    host::sysctl::path(Path::new("/"), name).expect("a name")
}

fn wanted(name: &str, value: &str, how: How) -> Wanted {
    Wanted { name: name.to_owned(), value: value.to_owned(), how, because: "a reason".to_owned() }
}

fn profile(settings: Vec<Wanted>, open_files: Option<u64>) -> Profile {
    Profile { name: "Settings of a test".to_owned(), settings, open_files, by_hand: Vec::new() }
}

/// A host and a change of it, both made up.
struct Plan {
    tree: Tree,
    profile: Profile,
    unit: Option<PathBuf>,
}

impl Plan {
    fn random(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let mut tree = Tree::default();
        let mut settings = Vec::new();
        for index in 0..1 + random.up_to(7) {
            let name = format!("net.ipv4.setting_{index}");
            let count = if random.one_in(3) { 3 } else { 1 };
            let mut numbers = || (0..count).map(|_| random.up_to(999).to_string()).collect::<Vec<_>>();
            let (now, value) = (numbers().join("\t"), numbers().join(" "));
            put(&mut tree, &setting(&name), kept(&format!("{now}\n")));
            let how = [How::Exactly, How::AtLeast, How::AtMost][random.index(3)];
            settings.push(wanted(&name, &value, how));
        }
        let unit = random.one_in(2).then(|| unit_file("c10m-serve").expect("a unit"));
        // Somebody may have such a file already, or a directory without it, or nothing of all that.
        for path in [Some(Path::new(SYSCTL_FILE)), unit.as_deref()].into_iter().flatten() {
            match random.index(3) {
                0 => put(&mut tree, path, Kept { bytes: b"# by hand\n".into(), mode: 0o600 }),
                1 => with_parents(&mut tree, path),
                _ => with_parents(&mut tree, Path::new("/etc/hostname")),
            }
        }
        with_parents(&mut tree, Path::new("/var/lib/dpkg"));
        Plan { tree, profile: profile(settings, unit.as_ref().map(|_| 1_048_576)), unit }
    }

    fn draft(&self, disk: &Simulated) -> Draft {
        let draft = Draft::new(disk, &self.profile, self.unit.as_deref());
        assert_eq!(draft.refusals, []);
        draft
    }

    /// Applies it on a healthy disk: what all of it looks like, and how many steps it takes.
    fn whole(&self) -> (Tree, u64) {
        let disk = Simulated::new(self.tree.clone());
        apply(&disk, &self.draft(&disk)).expect("a healthy disk");
        (disk.tree(), disk.steps())
    }
}

fn each_plan(check: impl Fn(&Plan)) {
    let given = std::env::var("C10M_SEED").ok().map(|seed| seed.parse::<u64>().expect("C10M_SEED is a number"));
    for seed in given.map_or(0..PLANS, |seed| seed..seed + 1) {
        let plan = Plan::random(seed);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&plan)));
        if let Err(panic) = result {
            eprintln!("failed with C10M_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Restores on a healthy disk what the calls before have left.
fn revert_all(disk: &Simulated) {
    disk.next_call();
    recover(disk).expect("a healthy disk recovers");
    revert(disk, false).expect("and reverts");
    tidy(disk).expect("and leaves nothing");
}

#[test]
fn a_change_that_is_taken_back_leaves_nothing() {
    each_plan(|plan| {
        let (tree, _) = plan.whole();
        let disk = Simulated::new(tree.clone());
        // What was applied is there, and applying it again changes nothing.
        let again = plan.draft(&disk);
        assert!(again.is_empty(), "{again:#?}");
        for (wanted, found) in plan.profile.settings.iter().zip(&again.settings) {
            let now = found.before.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(wanted.how != How::Exactly || wanted.value == now, "{found:?}");
        }
        let text = String::from_utf8(tree.files[Path::new(SYSCTL_FILE)].bytes.clone()).unwrap();
        assert!(plan.profile.settings.iter().all(|each| text.contains(&format!("\n{} = ", each.name))), "{text}");
        assert_eq!(plan.unit.is_some(), plan.unit.as_ref().is_some_and(|path| tree.files.contains_key(path)));
        revert_all(&disk);
        assert_eq!(disk.tree(), plan.tree);
    });
}

#[test]
fn a_fault_at_any_step_of_applying_leaves_all_or_nothing() {
    each_plan(|plan| {
        let (whole, steps) = plan.whole();
        for (at, fault) in (0..steps).flat_map(|at| Fault::ALL.map(|fault| (at, fault))) {
            let disk = Simulated::new(plan.tree.clone());
            let draft = plan.draft(&disk);
            disk.plan(at, fault);
            let result = apply(&disk, &draft);
            assert!(disk.steps() > at, "the step was reached");
            match &result {
                // A kill after the last step has done everything.
                Ok(()) => assert_eq!(disk.tree(), whole, "{fault:?} at {at}"),
                Err(_) if disk.is_dead() => {}
                // With a full disk, files that were there cannot be put back; the next call can.
                Err(ApplyError::Stuck { .. }) => assert_eq!(fault, Fault::Full, "{at}: {result:?}"),
                Err(_) if fault == Fault::Full => {}
                Err(_) => assert_eq!(disk.tree(), plan.tree, "{fault:?} at {at}: {result:?}"),
            }
            assert!(result.is_err() || !fault.kills(), "{fault:?} at {at}");
            // Whoever reads a file meanwhile finds the old one or the new one, whole.
            for path in [Some(Path::new(SYSCTL_FILE)), plan.unit.as_deref()].into_iter().flatten() {
                let (now, old, new) = (disk.tree(), plan.tree.files.get(path), whole.files.get(path));
                let found = now.files.get(path);
                assert!(found == old || found == new, "{fault:?} at {at}: {found:?}");
            }
            disk.next_call();
            recover(&disk).expect("a healthy disk recovers");
            tidy(&disk).expect("a healthy disk");
            let tree = disk.tree();
            let is_whole = tree == whole && (result.is_ok() || (fault == Fault::KilledAfter && at + 1 == steps));
            assert!(tree == plan.tree || is_whole, "{fault:?} at {at} of {steps} left a part: {tree:#?}");
            revert_all(&disk);
            assert_eq!(disk.tree(), plan.tree, "{fault:?} at {at}");
        }
    });
}

#[test]
fn a_fault_at_any_step_of_reverting_or_recovering_is_mended_by_the_next_call() {
    each_plan(|plan| {
        let (whole, _) = plan.whole();
        let count = |work: &dyn Fn(&Simulated)| {
            let disk = Simulated::new(whole.clone());
            work(&disk);
            disk.steps()
        };
        let reverting = count(&|disk| drop(revert(disk, false).expect("a healthy disk")));
        for (at, fault) in (0..reverting).flat_map(|at| Fault::ALL.map(|fault| (at, fault))) {
            let disk = Simulated::new(whole.clone());
            disk.plan(at, fault);
            let result = revert(&disk, false);
            assert!(result.is_err() || disk.tree() == plan.tree, "{fault:?} at {at}");
            // The call that recovers is killed at the same step.
            disk.next_call();
            disk.plan(at, fault);
            let _ = recover(&disk);
            // The next call of whatever sort ends it, unless it had not begun.
            disk.next_call();
            recover(&disk).expect("a healthy disk recovers");
            tidy(&disk).expect("a healthy disk");
            let tree = disk.tree();
            assert!(tree == plan.tree || tree == whole, "{fault:?} at {at} left a part: {tree:#?}");
            revert_all(&disk);
            assert_eq!(disk.tree(), plan.tree, "{fault:?} at {at}");
        }
    });
}

/// A host with one setting.
fn small(value: &str, mode: u32) -> Simulated {
    let mut tree = Tree::default();
    put(&mut tree, &setting("net.core.somaxconn"), Kept { bytes: value.into(), mode });
    with_parents(&mut tree, Path::new("/etc/hostname"));
    with_parents(&mut tree, Path::new("/var/lib/dpkg"));
    Simulated::new(tree)
}

fn one(name: &str, value: &str, how: How) -> Profile {
    profile(vec![wanted(name, value, how)], None)
}

#[test]
fn what_cannot_be_changed_is_refused_before_the_first_write() {
    let disk = small("4096\n", 0o444);
    for (name, expected, is_absent) in [
        ("net.core.somaxcon", "no such setting", true),
        ("../../etc/passwd", "no name", true),
        ("net.core.somaxconn", "cannot be written", false),
    ] {
        let draft = Draft::new(&disk, &one(name, "8192", How::Exactly), None);
        let before = disk.tree();
        assert_eq!(draft.refusals.len(), 1);
        assert_eq!(draft.refusals[0].is_absent, is_absent, "{name}");
        let error = apply(&disk, &draft).expect_err(name);
        assert!(error.to_string().contains(expected) && error.to_string().contains(name), "{error}");
        assert_eq!((disk.tree(), disk.steps()), (before, 0), "nothing was written");
    }
    // One that has the value already needs no right to write it.
    assert_eq!(Draft::new(&disk, &one("net.core.somaxconn", "4096", How::Exactly), None).refusals, []);
}

#[test]
fn a_value_that_the_kernel_clamps_undoes_everything() {
    let disk = small("4096\n", 0o644);
    disk.clamp("/proc/sys/net/core/somaxconn", 65_535);
    let before = disk.tree();
    let draft = Draft::new(&disk, &one("net.core.somaxconn", "100000", How::Exactly), None);
    let error = apply(&disk, &draft).unwrap_err().to_string();
    assert!(
        error.contains("65535") && error.contains("100000") && error.ends_with("everything is as it was"),
        "{error}"
    );
    assert_eq!(disk.tree(), before);
}

#[test]
fn a_host_that_has_enough_keeps_it() {
    for (now, value, how, standing, after) in [
        ("4096\n", "4096", How::AtLeast, Standing::Same, "4096"),
        ("8192\n", "4096", How::AtLeast, Standing::Enough, "8192"),
        ("1024\n", "4096", How::AtLeast, Standing::Changes, "4096"),
        ("8192\n", "4096", How::AtMost, Standing::Changes, "4096"),
        ("1024\n", "4096", How::AtMost, Standing::Enough, "1024"),
        ("8192\n", "4096", How::Exactly, Standing::Changes, "4096"),
        ("4096\t131072\t6291456\n", "4096 65536 33554432", How::AtLeast, Standing::Changes, "4096 131072 33554432"),
        ("cubic\n", "bbr", How::AtLeast, Standing::Changes, "bbr"),
    ] {
        let disk = small(now, 0o644);
        let draft = Draft::new(&disk, &one("net.core.somaxconn", value, how), None);
        let found = &draft.settings[0];
        assert_eq!((found.standing, found.after.as_str()), (standing, after), "{now} {value} {how:?}");
    }
}

#[test]
fn a_second_change_waits_for_the_first_to_be_taken_back() {
    let disk = small("4096\n", 0o644);
    let before = disk.tree();
    let first = one("net.core.somaxconn", "8192", How::Exactly);
    apply(&disk, &Draft::new(&disk, &first, None)).unwrap();
    let applied = disk.tree();
    let second = Draft::new(&disk, &one("net.core.somaxconn", "9000", How::Exactly), None);
    assert!(matches!(apply(&disk, &second), Err(ApplyError::Applied(_))));
    assert_eq!(disk.tree(), applied);
    assert_eq!(recover(&disk).unwrap(), None, "a change that is complete is not recovered");
    revert_all(&disk);
    assert_eq!(disk.tree(), before);
    assert_eq!(revert(&disk, false).unwrap(), None);
}

#[test]
fn what_others_changed_since_is_not_overwritten_unasked() {
    let disk = small("4096\n", 0o644);
    let before = disk.tree();
    apply(&disk, &Draft::new(&disk, &one("net.core.somaxconn", "8192", How::Exactly), None)).unwrap();
    disk.put("/proc/sys/net/core/somaxconn", "20000\n");
    disk.put(SYSCTL_FILE, "# mine now\n");
    let now = disk.tree();
    let error = revert(&disk, false).unwrap_err();
    assert!(matches!(&error, RevertError::Foreign(all) if all.len() == 2), "{error}");
    assert!(error.to_string().contains("net.core.somaxconn is 20000") && error.to_string().contains(SYSCTL_FILE));
    assert_eq!(disk.tree(), now);
    revert(&disk, true).unwrap();
    assert_eq!(disk.tree(), before);
}

#[test]
fn a_journal_that_nobody_understands_stops_everything() {
    for text in ["", "{}", "{\"schema\":2}", "not JSON"] {
        let disk = small("4096\n", 0o644);
        disk.put(Journal::PATH, text);
        let before = disk.tree();
        let draft = Draft::new(&disk, &one("net.core.somaxconn", "8192", How::Exactly), None);
        assert!(matches!(apply(&disk, &draft), Err(ApplyError::Journal(_))), "{text}");
        assert!(recover(&disk).is_err() && revert(&disk, true).is_err(), "{text}");
        assert_eq!(disk.tree(), before, "{text}");
    }
}

#[test]
fn the_journal_has_the_old_values_before_the_first_write() {
    let disk = small("4096\n", 0o644);
    let draft = Draft::new(&disk, &one("net.core.somaxconn", "8192", How::Exactly), None);
    for at in 0.. {
        let disk = small("4096\n", 0o644);
        disk.plan(at, Fault::KilledAfter);
        if apply(&disk, &draft).is_ok() {
            break;
        }
        disk.next_call();
        let journal = Journal::read(&disk).unwrap();
        let is_changed = disk.tree().files[&setting("net.core.somaxconn")].bytes != b"4096\n";
        if is_changed {
            let journal = journal.expect("a setting was written without a journal");
            assert_eq!(journal.settings[0].before, "4096\n");
            assert!(journal.stage != Stage::Reverting);
        }
        assert!(at < 100, "the change never ends");
    }
}
