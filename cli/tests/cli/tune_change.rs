//! `c10m tune diff`, `apply` and `revert` as processes: what they open, and what is left when one is killed or a call fails.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::faults;
use crate::program::{refuses, run};
use crate::scratch::Scratch;

const SETTINGS: &str = "# what a test wants\nnet.core.somaxconn = 16384\nnet.ipv4.tcp_rmem = 4096 131072 33554432\n";

/// A copy of a host: two settings, and the directories that hosts have.
fn copy(scratch: &Scratch, name: &str) -> String {
    let root = scratch.path(name);
    let put = |path: &str, text: &str| {
        let path = Path::new(&root).join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    };
    put("proc/sys/kernel/osrelease", "6.18.0\n");
    put("proc/sys/net/core/somaxconn", "4096\n");
    put("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
    put("etc/sysctl.d/10-theirs.conf", "net.core.somaxconn = 4096\n");
    // One that was there before, so that it has to be put back.
    put("etc/sysctl.d/90-c10m.conf", "# by hand\n");
    put("var/lib/dpkg/status", "");
    root
}

/// Every file with its mode and contents, and every directory.
fn tree(root: &str) -> BTreeMap<PathBuf, (u32, Option<Vec<u8>>)> {
    let mut tree = BTreeMap::new();
    let mut todo = vec![PathBuf::from(root)];
    while let Some(path) = todo.pop() {
        let data = fs::symlink_metadata(&path).expect("it is there");
        if data.is_dir() {
            todo.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        }
        let contents = data.is_file().then(|| fs::read(&path).expect("a file"));
        tree.insert(path, (data.permissions().mode(), contents));
    }
    tree
}

fn settings(scratch: &Scratch) -> String {
    let path = scratch.path("wanted.conf");
    fs::write(&path, SETTINGS).expect("a file");
    path
}

#[test]
fn what_is_applied_is_there_and_goes_again() {
    let scratch = Scratch::new("tune-apply");
    let (file, root) = (settings(&scratch), copy(&scratch, "host"));
    let before = tree(&root);
    let arguments = ["tune", "apply", "--file", &file, "--root", &root];
    for dry in [&["tune", "diff", "--file", &file, "--root", &root][..], &arguments] {
        let (code, stdout, stderr) = run(dry);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        assert!(stdout.contains("dry run") && stdout.contains("16384"), "{stdout}");
        assert_eq!(tree(&root), before);
    }
    let (code, stdout, _) = run(&[&arguments[..], &["--write"]].concat());
    assert!(code == 0 && stdout.contains("2 of 2 settings and 1 file differ; written."), "{stdout}");
    let text = fs::read_to_string(format!("{root}/etc/sysctl.d/90-c10m.conf")).expect("the drop-in");
    assert!(
        text.contains("\nnet.core.somaxconn = 16384\n")
            && text.contains("\nnet.ipv4.tcp_rmem = 4096 131072 33554432\n")
    );
    assert_eq!(fs::read_to_string(format!("{root}/proc/sys/net/core/somaxconn")).expect("it"), "16384\n");
    // A second time nothing differs, and another change waits.
    let (code, stdout, _) = run(&[&arguments[..], &["--write", "--json"]].concat());
    assert!(code == 1, "{stdout}");
    let (code, stdout, _) = run(&["tune", "revert", "--root", &root]);
    assert!(code == 0 && stdout.contains("applied; `--write` takes it back"), "{stdout}");
    let (code, stdout, _) = run(&["tune", "revert", "--root", &root, "--write"]);
    assert!(code == 0 && stdout.contains("taken back"), "{stdout}");
    assert_eq!(tree(&root), before);
    let (code, stdout, _) = run(&["tune", "revert", "--root", &root, "--write"]);
    assert!(code == 0 && stdout.contains("nothing to take back"), "{stdout}");
    assert_eq!(tree(&root), before);
}

#[test]
fn wrong_wishes_are_refused_before_anything_is_written() {
    let scratch = Scratch::new("tune-refused");
    let root = copy(&scratch, "host");
    let before = tree(&root);
    let file = scratch.path("wrong.conf");
    for (text, words) in [
        (
            "net.core.somaxcon = 1\nnet.ipv4.tcp_rmem = 1 2 3\n",
            "net.core.somaxcon: there is no such setting; there is net.core.somaxconn",
        ),
        (
            "net.ipv4.tcp_tw_recycle = 1\n",
            "net.ipv4.tcp_tw_recycle: this kernel no longer has it: it is gone since 4.12",
        ),
        ("net.netfilter.nf_conntrack_max = 1\n", "net.netfilter.nf_conntrack_max: its module is not loaded"),
    ] {
        fs::write(&file, text).expect("a file");
        let (code, stdout, _) = run(&["tune", "apply", "--file", &file, "--root", &root, "--write"]);
        let stdout = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(code == 1 && stdout.contains(words) && stdout.contains("nothing was written"), "{stdout}");
    }
    for text in ["somaxconn\n", "", "net.core.somaxconn = 1\nnet.core.somaxconn = 2\n"] {
        fs::write(&file, text).expect("a file");
        refuses(&["tune", "apply", "--file", &file, "--root", &root, "--write"], 1, &[&file]);
    }
    assert_eq!(tree(&root), before);
    refuses(&["tune", "apply"], 2, &["PROFILE"]);
    refuses(&["tune", "apply", "c10g"], 2, &["c10g", "c10k, c1m"]);
    refuses(&["tune", "apply", "c1m", "--unit", "a/b"], 2, &["a/b"]);
    refuses(&["tune", "diff", "c1m", "--root", "/nonexistent/root"], 1, &["/nonexistent/root"]);
    refuses(&["tune", "explain", "smoaxconn"], 1, &["net.core.somaxconn"]);
    refuses(&["tune", "explain", "x", "--rules", "/proc/self/task"], 1, &["/proc/self/task"]);
}

#[test]
fn a_profile_names_what_it_leaves_out() {
    let scratch = Scratch::new("tune-profile");
    let root = copy(&scratch, "host");
    let arguments = ["tune", "apply", "conn-rate", "--root", &root, "--json", "--unit", "c10m-serve", "--write"];
    let (code, stdout, stderr) = run(&arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let shown: Value = serde_json::from_str(&stdout).expect("JSON");
    assert!(shown["left_out"].as_array().is_some_and(|all| !all.is_empty()), "{stdout}");
    let names = |list: &str| -> Vec<String> {
        let all = shown[list].as_array().expect("a list");
        all.iter().map(|each| each["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert!(names("settings").contains(&"net.core.somaxconn".to_owned()), "{stdout}");
    assert!(names("settings").iter().all(|name| !names("left_out").contains(name)));
    let (code, _, _) = run(&["tune", "revert", "--root", &root, "--write"]);
    assert_eq!(code, 0);
}

/// System calls that change something, or can.
const WRITING: &str = "open,openat,?openat2,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,truncate,ftruncate,\
                       chmod,fchmod,fchmodat,?fchmodat2,chown,fchown,lchown,fchownat,link,linkat,symlink,symlinkat,mknod,\
                       mknodat,setxattr,fsetxattr,utimensat,fallocate,mount,setrlimit";

/// The lines of a trace that change something: any of these calls but for an open(2) for reading only.
fn writes(scratch: &Scratch, arguments: &[&str]) -> Vec<String> {
    let log = scratch.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "--quiet=all", "--output", &log, &format!("--trace={WRITING}")]);
    command.arg(env!("CARGO_BIN_EXE_c10m")).args(arguments);
    let output = command.output().expect("strace");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(log).expect("a trace");
    let is_read = |line: &&str| line.contains("open") && line.contains("O_RDONLY") && !line.contains("O_CREAT");
    let calls = text.lines().filter(|line| line.contains('(') && !line.contains("O_RDONLY|O_PATH"));
    calls.filter(|line| !is_read(line)).map(str::to_owned).collect()
}

#[test]
fn a_dry_run_opens_nothing_for_writing() {
    if !faults::is_available() {
        return;
    }
    let scratch = Scratch::new("tune-dry");
    let (file, root) = (settings(&scratch), copy(&scratch, "host"));
    let dry: [&[&str]; 9] = [
        &["tune", "diff", "c1m"],
        &["tune", "apply", "c1m", "--unit", "c10m-serve"],
        &["tune", "apply", "--file", &file],
        &["tune", "apply", "--file", &file, "--root", &root],
        &["tune", "revert"],
        &["tune", "revert", "--root", &root, "--force"],
        &["tune", "explain", "too", "many", "open", "files"],
        &["tune", "audit"],
        &["tune", "plan", "--connections", "1M"],
    ];
    for arguments in dry {
        let found = writes(&scratch, arguments);
        assert_eq!(found, Vec::<String>::new(), "{arguments:?}");
    }
    // The same look finds what is written.
    let found = writes(&scratch, &["tune", "apply", "--file", &file, "--root", &root, "--write"]);
    for call in ["O_WRONLY", "mkdir", "rename"] {
        assert!(found.iter().any(|line| line.contains(call)), "{call}: {found:#?}");
    }
}

/// Runs the program so that its `number`th call of a kind meets `what` (strace's words). Returns whether there was such a call,
/// and whether the program said that all went well.
fn meet(scratch: &Scratch, call: &str, number: usize, what: &str, arguments: &[&str]) -> (bool, bool) {
    let log = scratch.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "--quiet=all", "--output", &log, &format!("--trace={call}")]);
    command.arg(format!("--inject={call}:{what}:when={number}"));
    command.arg(env!("CARGO_BIN_EXE_c10m")).args(arguments);
    let output = command.output().expect("strace");
    let calls = fs::read_to_string(log).expect("a trace").lines().filter(|line| line.contains('(')).count();
    (calls >= number, output.status.success())
}

/// Whatever call is the last, the next call restores everything, or finds all of it done.
#[test]
fn an_apply_or_revert_that_is_killed_is_recovered_by_the_next_call() {
    if !faults::is_available() {
        return;
    }
    let scratch = Scratch::new("tune-killed");
    let (file, root) = (settings(&scratch), copy(&scratch, "host"));
    let before = tree(&root);
    let apply = ["tune", "apply", "--file", &file, "--root", &root, "--write"];
    let revert = ["tune", "revert", "--root", &root, "--write"];
    assert_eq!(run(&apply).0, 0);
    let applied = tree(&root);
    assert_eq!(run(&revert).0, 0);
    let mut met = 0;
    for (arguments, begun) in [(&apply[..], &before), (&revert[..], &applied)] {
        for call in ["openat", "write", "fsync", "rename", "mkdir", "unlink", "rmdir", "fchmod"] {
            for what in ["signal=KILL", "error=EIO"] {
                // The program reads its libraries first.
                for number in 1..200 {
                    if *begun == applied {
                        assert_eq!(run(&apply).0, 0);
                    }
                    let (is_met, is_well) = meet(&scratch, call, number, what, arguments);
                    let about = format!("{what} at {call} {number} of {arguments:?}");
                    if is_well {
                        let expected = if *begun == applied { &before } else { &applied };
                        assert_eq!(&tree(&root), expected, "{about}");
                    }
                    met += usize::from(is_met);
                    // A call that recovers and applies, or one that recovers and reverts.
                    if number % 2 == 0 {
                        let (code, stdout, stderr) = run(&apply);
                        assert!(code == 0 || stderr.contains("is applied already"), "{about}: {stdout}{stderr}");
                        assert_eq!(tree(&root), applied, "{about}");
                    }
                    let (code, stdout, stderr) = run(&revert);
                    assert_eq!(code, 0, "{about}: {stdout}{stderr}");
                    assert_eq!(tree(&root), before, "{about}");
                    if !is_met {
                        break;
                    }
                }
            }
        }
    }
    assert!(met > 60, "only {met} calls were met");
}
