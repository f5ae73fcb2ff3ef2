//! Exit codes hold whatever happens to stdout and stderr: closed, full, or with a reader that is gone.

use std::fs::{self, File};
use std::io;
use std::process::{Command, Stdio};
use std::thread;

use crate::program::{Server, c10m};
use crate::scratch::{Scratch, published};

/// What a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    /// Somebody who reads.
    Reader,
    /// A pipe whose reader is gone, as in `| head -1`.
    Gone,
    /// A disk without room.
    Full,
    /// Closed before the program starts, as by `>&-`.
    Closed,
}

impl To {
    fn stream(self) -> Stdio {
        match self {
            To::Reader | To::Closed => Stdio::piped(),
            To::Gone => io::pipe().expect("a pipe").1.into(),
            To::Full => File::options().write(true).open("/dev/full").expect("every Linux has it").into(),
        }
    }
}

/// stdout and stderr.
const STREAMS: [(To, To); 7] = [
    (To::Gone, To::Reader),
    (To::Full, To::Reader),
    (To::Closed, To::Reader),
    (To::Reader, To::Gone),
    (To::Reader, To::Full),
    (To::Reader, To::Closed),
    (To::Full, To::Full),
];

/// What a command says on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    Nothing,
    /// Its result. A reader who has gone had enough of it.
    Result,
    /// A server's account, which is owed to whoever started it.
    Account,
}

/// A command and the exit codes it may have with good streams; which of them depends on how busy the machine is.
struct Case<'a> {
    arguments: Vec<&'a str>,
    codes: &'a [i32],
    tells: Tells,
}

fn case<'a>(arguments: &[&'a str], codes: &'a [i32], tells: Tells) -> Case<'a> {
    Case { arguments: arguments.to_vec(), codes, tells }
}

/// The exit code, or the signal as a shell would tell it, and both streams as far as somebody reads them.
fn run(arguments: &[&str], (stdout, stderr): (To, To)) -> (i32, String, String) {
    let closes = [(stdout, ">&-"), (stderr, "2>&-")].into_iter().filter(|(to, _)| *to == To::Closed);
    let script = closes.fold("exec \"$0\" \"$@\"".to_owned(), |script, (_, close)| format!("{script} {close}"));
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(c10m(&[]).get_program()).args(arguments);
    let output = command.stdin(Stdio::null()).stdout(stdout.stream()).stderr(stderr.stream()).output();
    let output = output.expect("a shell starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    let code = output.status.code().unwrap_or_else(|| 128 + signal.unwrap_or(0));
    (code, text(&output.stdout), text(&output.stderr))
}

fn check(case: &Case<'_>) {
    let arguments = &case.arguments;
    let (code, stdout, stderr) = run(arguments, (To::Reader, To::Reader));
    assert!(case.codes.contains(&code), "{arguments:?}: {code} {stderr}");
    assert_eq!(stdout.is_empty(), case.tells == Tells::Nothing, "{arguments:?}: {stdout}");
    for streams in STREAMS {
        let (code, _, stderr) = run(arguments, streams);
        let is_lost = match case.tells {
            Tells::Nothing => false,
            Tells::Result => streams.0 == To::Full,
            Tells::Account => matches!(streams.0, To::Full | To::Gone),
        };
        let expected = if is_lost { &[1][..] } else { case.codes };
        assert!(expected.contains(&code), "{arguments:?} with {streams:?}: {code} instead of {expected:?}: {stderr}");
        if is_lost && streams.1 == To::Reader {
            assert!(stderr.contains("to stdout: "), "{arguments:?}: {stderr}");
        }
    }
}

fn check_all(cases: &[Case<'_>]) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| check(case));
        }
    });
}

#[test]
fn what_answers_at_once_keeps_its_code() {
    let quick = published("quick");
    let run = quick.to_str().expect("UTF-8");
    let scratch = Scratch::new("streams-report");
    let out = scratch.path("out");
    let with_out = ["report", run, "--out", &out];
    check_all(&[
        case(&["--help"], &[0], Tells::Result),
        case(&["load", "--help"], &[0], Tells::Result),
        case(&["--version"], &[0], Tells::Result),
        case(&[], &[2], Tells::Nothing),
        case(&["--bogus"], &[2], Tells::Nothing),
        case(&["serve"], &[2], Tells::Nothing),
        case(&["serve", "http", "--backend", "kqueue"], &[2], Tells::Nothing),
        case(&["serve", "http", "--listen", "192.0.2.1:1"], &[1], Tells::Nothing),
        case(&["load", "tcp://127.0.0.1:1", "-c", "0"], &[2], Tells::Nothing),
        case(&["load", "tcp://127.0.0.1:1", "-c", "4000000000", "-t", "1000"], &[2], Tells::Nothing),
        case(&["bench", "list"], &[0], Tells::Result),
        case(&["bench", "list", "--json"], &[0], Tells::Result),
        case(&["bench", "fast"], &[2], Tells::Nothing),
        case(&["bench", "smoke", "--out", "/dev/null"], &[2], Tells::Nothing),
        case(&["report", "/nonexistent"], &[2], Tells::Nothing),
        case(&with_out, &[0], Tells::Result),
        case(&[&with_out[..], &["--json"]].concat(), &[0], Tells::Result),
        case(&["report", run, "--readme"], &[0], Tells::Result),
        case(&["compare", run, run], &[0], Tells::Result),
        case(&["compare", run, "/nonexistent"], &[2], Tells::Nothing),
        case(&["tune", "audit"], &[0], Tells::Result),
        case(&["tune", "audit", "--json"], &[0], Tells::Result),
        case(&["tune", "plan", "--connections", "10k"], &[0], Tells::Result),
        case(&["tune", "plan"], &[2], Tells::Nothing),
        case(&["null-server", "echo", "--for", "0s"], &[2], Tells::Nothing),
    ]);
}

#[test]
fn what_runs_for_a_while_keeps_its_code() {
    let server = Server::start(&["echo", "--reactors", "1"]);
    let target = format!("tcp://{}", server.address);
    let load = ["load", &target, "-c", "2", "-d", "100ms", "--warmup", "0s"];
    let nobody = ["load", "tcp://127.0.0.1:1", "-c", "1", "-d", "50ms", "--warmup", "0s", "--timeout", "50ms"];
    check_all(&[
        case(&load, &[0, 4], Tells::Result),
        case(&[&load[..], &["--json"]].concat(), &[0, 4], Tells::Result),
        case(&[&load[..], &["--slo", "p50<1ns"]].concat(), &[3, 4], Tells::Result),
        case(&nobody, &[1], Tells::Nothing),
        case(&["null-server", "echo", "--for", "50ms"], &[0], Tells::Account),
    ]);
}

/// An experiment says much on stderr, and nobody has to read it: it is carried out, written, and not left unfinished.
#[test]
fn an_experiment_keeps_its_code_and_leaves_nothing_unfinished() {
    let scratch = Scratch::new("streams-bench");
    let of = |name: &str, experiment: &[&str], streams: (To, To), expected: &[i32]| {
        let out = scratch.path(name);
        let (code, _, stderr) = run(&[&["bench"], experiment, &["--out", &out]].concat(), streams);
        assert!(expected.contains(&code), "{experiment:?} with {streams:?}: {code} instead of {expected:?}: {stderr}");
        let names: Vec<_> =
            fs::read_dir(&out).expect("made").map(|entry| entry.expect("readable").file_name()).collect();
        let is_published = names.len() == 1 && !names[0].to_string_lossy().starts_with('.');
        assert!(is_published, "{experiment:?} with {streams:?}: {names:?}");
    };
    let smoke = ["smoke", "--noisy", "--repeats", "1", "--apart", "--seconds", "0.1"];
    let omission = ["omission", "--repeats", "1", "--seconds", "1"];
    thread::scope(|scope| {
        scope.spawn(|| of("gone", &smoke, (To::Reader, To::Gone), &[0, 4]));
        scope.spawn(|| of("full", &smoke, (To::Reader, To::Full), &[0, 4]));
        scope.spawn(|| of("both", &smoke, (To::Full, To::Full), &[1]));
        scope.spawn(|| of("omission", &omission, (To::Full, To::Gone), &[1]));
    });
}
