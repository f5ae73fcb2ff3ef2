//! The commit in what the program says is that of its build, wherever it runs and whatever was committed since.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{Server, c10m, finish, run};
use crate::scratch::Scratch;

/// The build script's, who tells this file what it tells the program.
const COMMIT: &str = lab::built::COMMIT;

fn git(place: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").arg("-C").arg(place).args(identity).args(arguments).output();
    assert!(output.as_ref().is_ok_and(|output| output.status.success()), "git {arguments:?}: {output:?}");
}

/// A checkout that looks like this project's, without the commit of the program.
fn checkout(place: &Path) {
    fs::create_dir_all(place.join("lab")).expect("writable");
    fs::write(place.join("lab/build.rs"), "").expect("writable");
    git(place, &["init", "--quiet"]);
    git(place, &["add", "--all"]);
    git(place, &["commit", "--quiet", "--message", "a"]);
}

#[test]
fn the_version_names_the_commit_and_whether_it_is_all() {
    let (code, stdout, _) = run(&["--version"]);
    let words = match COMMIT.strip_suffix("-dirty") {
        _ if COMMIT == "unknown" => "commit unknown".to_owned(),
        Some(commit) => format!("{}, dirty", &commit[..12]),
        None => format!("{}, clean", &COMMIT[..12]),
    };
    assert_eq!((code, stdout), (0, format!("c10m {} ({words})\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn servers_and_loads_name_the_commit() {
    let server = Server::start(&["echo", "--reactors", "1"]);
    assert_eq!(server.ready["commit"], COMMIT);
    let target = format!("tcp://{}", server.address);
    let arguments = ["load", &target, "-c", "1", "-d", "100ms", "--warmup", "0s", "--json"];
    let (_, stdout, stderr) = run(&arguments);
    let record: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    assert_eq!(record["commit"], COMMIT);
    let (_, stdout, _) = run(&["null-server", "echo", "--for", "50ms"]);
    let ready: Value = serde_json::from_str(stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!(ready["commit"], COMMIT);
}

/// A copy of the program, started in a checkout that has another commit: the record is about the program, and a
/// warning says that the sources there are others.
#[test]
fn a_copied_program_keeps_its_commit() {
    let scratch = Scratch::new("copied");
    let place = scratch.0.join("checkout");
    checkout(&place);
    let copy = scratch.path("copy");
    fs::copy(c10m(&[]).get_program(), &copy).expect("readable and writable");
    let out = scratch.path("out");
    let mut command = Command::new(copy);
    command.args(["bench", "smoke", "--repeats", "1", "--noisy", "--json", "--out", &out]);
    let (_, stdout, stderr) = finish(command.current_dir(&place).stdin(Stdio::null()));
    let record: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    assert_eq!(record["commit"], COMMIT);
    let said = match COMMIT.strip_suffix("-dirty") {
        _ if COMMIT == "unknown" => "built outside of a git checkout",
        Some(_) => "changes that are in no commit",
        None => "does not have that commit: the record is about the program",
    };
    assert!(stderr.contains("WARNING: this program was built") && stderr.contains(said), "{stderr}");
    let names: Vec<String> = fs::read_dir(&out)
        .expect("a run")
        .map(|run| run.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    let commit = COMMIT.get(..12).unwrap_or(COMMIT);
    assert!(names.len() == 1 && names[0].contains(commit), "{names:?}");
}
