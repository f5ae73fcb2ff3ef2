//! Interruptions of every kind: a journal goes on where it stopped, or says why not.

use std::path::PathBuf;

use results::record::{Raw, Reported, Verdict, VerdictState};
use serde_json::json;

use super::*;

/// A directory of its own, removed when dropped.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("c10m-journal-{}-{name}", std::process::id()));
        assert!(!path.exists(), "{path:?} was left behind");
        Place(path)
    }

    fn open(&self, header: Header) -> Result<Journal, Refusal> {
        Journal::open(&self.0, header, true, false)
    }

    fn file(&self) -> PathBuf {
        self.0.join(JOURNAL)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Tests that finish their journal have removed it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn header() -> Header {
    Header {
        format: FORMAT,
        experiment: "backends".to_owned(),
        profile: "quick".to_owned(),
        seed: 7,
        repeats: 4,
        seconds: 0.9,
        commit: "abc".to_owned(),
        build: "release".to_owned(),
        host: "vm".to_owned(),
        arms: vec!["epoll level".to_owned()],
        loads: vec!["echo-c64-closed-p1".to_owned()],
        started_unix_ms: 1000,
    }
}

fn entry(repeat: u32) -> Line {
    let run = RunOfCell {
        repeat,
        order: repeat,
        started_s: 1.5,
        requests_per_second: 1000.25,
        completed: 900,
        errors: 0,
        server_user_us_per_request: Some(0.1),
        server_system_us_per_request: None,
        server_core_us_per_request: Some(6.0),
        client_cpu_us_per_request: None,
        syscalls_per_request: Some(2.0),
        enters_per_request: None,
        sqes_per_request: None,
        cqes_per_request: None,
        server_bytes_per_connection: Some(64.0),
        kernel_bytes_per_connection: None,
        accepts_max_over_mean: None,
        accepts_coefficient_of_variation: None,
        lateness_us_p99: None,
        response_us: Reported::default(),
        replies_whole_run: Some(1000),
        served_whole_run: Some(1000),
        verdict: Verdict { state: VerdictState::Warn, times_only: false, not_ok: vec!["V5".to_owned()] },
        raw: Raw { load: json!({"a": [1, 2]}), server: json!(null) },
    };
    let points = vec![Point { cell: "cell".to_owned(), repeat, completed: 5, ..Point::default() }];
    Line::Run(Box::new(Entry { cell: "cell".to_owned(), run, responses: Some("HIST".to_owned()), points }))
}

fn refusal(result: Result<Journal, Refusal>) -> Refusal {
    result.map(|journal| journal.lines().len()).expect_err("it must refuse")
}

#[test]
fn what_is_finished_is_there_again() {
    let place = Place::new("again");
    let lines = [
        entry(0),
        Line::Wait("before run 2: waited 1 s".to_owned()),
        Line::Failure("run 2: died".to_owned()),
        Line::LeftOut { cell: "cell".to_owned(), reason: "dies".to_owned() },
        Line::Resumed("2026-10-03T12:00:00Z".to_owned()),
    ];
    let mut journal = place.open(header()).expect("nothing is there");
    for line in lines.clone() {
        journal.append(line).expect("writable");
    }
    drop(journal);
    let other_time = Header { started_unix_ms: 5000, ..header() };
    let journal = place.open(other_time).expect("the same experiment");
    assert_eq!(journal.lines(), lines);
    assert_eq!((journal.runs().count(), journal.torn_bytes(), journal.header()), (1, 0, &header()));
    journal.remove().expect("ours");
    assert!(!place.0.exists());
}

#[test]
fn a_torn_last_line_costs_only_itself() {
    let place = Place::new("torn");
    let mut journal = place.open(header()).expect("nothing is there");
    journal.append(entry(0)).expect("writable");
    journal.append(entry(1)).expect("writable");
    drop(journal);
    let whole = fs::read(place.file()).expect("readable");
    let second_at = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("three lines") + 1;
    // Cut within the last line, its end included: only the line feed proves that it is complete.
    for cut in [second_at + 1, second_at + 20, whole.len() - 1] {
        fs::write(place.file(), &whole[..cut]).expect("writable");
        let mut journal = place.open(header()).expect("one line is whole");
        assert_eq!((journal.runs().count(), journal.torn_bytes()), (1, cut - second_at), "cut at {cut}");
        journal.append(entry(1)).expect("writable");
        drop(journal);
        assert_eq!(fs::read(place.file()).expect("readable"), whole, "the torn line is overwritten");
    }
    // A header that was not completed is no experiment.
    fs::write(place.file(), &whole[..10]).expect("writable");
    assert_eq!(place.open(header()).expect("begun anew").lines().len(), 0);
}

#[test]
fn damage_in_the_middle_is_not_passed_over() {
    let place = Place::new("damaged");
    let mut journal = place.open(header()).expect("nothing is there");
    journal.append(entry(0)).expect("writable");
    drop(journal);
    let text = fs::read_to_string(place.file()).expect("UTF-8");
    for (damaged, line) in [(text.replace("{\"run\"", "{\"fun\"") + &text, "line 2"), (text[1..].to_owned(), "line 1")]
    {
        fs::write(place.file(), damaged).expect("writable");
        let refusal = refusal(place.open(header()));
        assert!(refusal.message.contains(line) && refusal.message.contains("--fresh"), "{refusal:?}");
        assert_eq!(refusal.code, 1);
    }
    assert_eq!(Journal::open(&place.0, header(), true, true).expect("discarded").lines().len(), 0);
}

#[test]
fn what_does_not_agree_is_named() {
    let place = Place::new("differs");
    drop(place.open(header()).expect("nothing is there"));
    for (other, words) in [
        (Header { seed: 8, ..header() }, "seed was 7 and is now 8"),
        (Header { repeats: 5, ..header() }, "repeats was 4 and is now 5"),
        (Header { seconds: 1.0, ..header() }, "seconds was 0.9 and is now 1"),
        (Header { commit: "def".to_owned(), ..header() }, "commit was abc and is now def"),
        (Header { build: "debug".to_owned(), ..header() }, "build was release and is now debug"),
        (Header { arms: vec![], ..header() }, "arms was [epoll level] and is now []"),
        (Header { host: "other".to_owned(), profile: "full".to_owned(), ..header() }, "host was vm"),
    ] {
        let refusal = refusal(place.open(other));
        assert!(refusal.message.contains(words) && refusal.message.contains("--fresh"), "{refusal:?}");
        assert_eq!(refusal.code, 2);
    }
    let without_seed = Journal::open(&place.0, Header { seed: 99, ..header() }, false, false);
    assert_eq!(without_seed.expect("the journal has the seed").header().seed, 7);
}

#[test]
fn two_at_once_are_one_too_many() {
    let place = Place::new("locked");
    let first = place.open(header()).expect("nothing is there");
    for is_fresh in [false, true] {
        let refusal = refusal(Journal::open(&place.0, header(), true, is_fresh));
        assert!(refusal.message.contains("another process") && refusal.code == 1, "{refusal:?}");
    }
    drop(first);
    place.open(header()).expect("it is free again").remove().expect("ours");
}
