//! Interruptions of every kind: a journal continues where it stopped, or says why it cannot.

use std::path::PathBuf;

use super::*;
use crate::session::trial::unused;

/// A directory for one test. Dropping it removes the directory.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        Place(unused(&format!("journal-{name}")))
    }

    fn open(&self, header: Header) -> Result<Journal<Piece>, Refusal> {
        Journal::open(&self.0, header, true, false)
    }

    fn file(&self) -> PathBuf {
        self.0.join(JOURNAL)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Tests that finish their journal have already removed it.
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
        budget_s: None,
        seconds: 0.9,
        apart: false,
        commit: "abc".to_owned(),
        build: "release".to_owned(),
        host: "vm".to_owned(),
        arms: vec!["epoll level".to_owned()],
        loads: vec!["echo-c64-closed-p1".to_owned()],
        started_unix_ms: 1000,
    }
}

/// What an experiment may finish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    Run { repeat: u32, us: Option<f64>, raw: serde_json::Value },
    Beside(String),
}

impl Finished for Piece {
    fn is_run(&self) -> bool {
        matches!(self, Piece::Run { .. })
    }
}

fn run(repeat: u32) -> Line<Piece> {
    let raw = serde_json::json!({"a": [1, 2.5, u64::MAX], "b": null});
    Line::Finished(Piece::Run { repeat, us: Some(6.1), raw })
}

fn refusal(result: Result<Journal<Piece>, Refusal>) -> Refusal {
    result.map(|journal| journal.lines().len()).expect_err("it must refuse")
}

#[test]
fn what_is_finished_is_there_again() {
    let place = Place::new("again");
    let lines = [
        run(0),
        Line::Finished(Piece::Beside("memory".to_owned())),
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
    assert_eq!((journal.run_count(), journal.torn_bytes(), journal.header()), (1, 0, &header()));
    journal.remove().expect("ours");
    assert!(!place.0.exists());
}

#[test]
fn a_torn_last_line_costs_only_itself() {
    let place = Place::new("torn");
    let mut journal = place.open(header()).expect("nothing is there");
    journal.append(run(0)).expect("writable");
    journal.append(run(1)).expect("writable");
    drop(journal);
    let whole = fs::read(place.file()).expect("readable");
    let second_at = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("three lines") + 1;
    // Cuts inside the last line, or just before its line feed: only the line feed proves that the line is complete.
    for cut in [second_at + 1, second_at + 20, whole.len() - 1] {
        fs::write(place.file(), &whole[..cut]).expect("writable");
        let mut journal = place.open(header()).expect("one line is whole");
        assert_eq!((journal.run_count(), journal.torn_bytes()), (1, cut - second_at), "cut at {cut}");
        journal.append(run(1)).expect("writable");
        drop(journal);
        assert_eq!(fs::read(place.file()).expect("readable"), whole, "the torn line is overwritten");
    }
    // A complete line that is not understood is not a torn line.
    fs::write(place.file(), String::from_utf8(whole.clone()).expect("UTF-8") + "{\"fun\":1}\n").expect("writable");
    assert!(refusal(place.open(header())).to_string().contains("line 4"), "neither run again nor lost");
    // An incomplete header is not an experiment.
    fs::write(place.file(), &whole[..10]).expect("writable");
    assert_eq!(place.open(header()).expect("begun anew").lines().len(), 0);
}

#[test]
fn damage_in_the_middle_is_not_passed_over() {
    let place = Place::new("damaged");
    let mut journal = place.open(header()).expect("nothing is there");
    journal.append(run(0)).expect("writable");
    drop(journal);
    let text = fs::read_to_string(place.file()).expect("UTF-8");
    for (damaged, line) in [(text.replace("{\"run\"", "{\"fun\"") + &text, "line 2"), (text[1..].to_owned(), "line 1")]
    {
        fs::write(place.file(), damaged).expect("writable");
        let refusal = refusal(place.open(header()));
        assert!(refusal.to_string().contains(line) && refusal.to_string().contains("--fresh"), "{refusal:?}");
        assert_eq!(refusal.code, 1);
    }
    assert_eq!(Journal::<Piece>::open(&place.0, header(), true, true).expect("discarded").lines().len(), 0);
}

#[test]
fn what_does_not_agree_is_named() {
    let place = Place::new("differs");
    drop(place.open(header()).expect("nothing is there"));
    for (other, words) in [
        (Header { seed: 8, ..header() }, "seed was 7 and is now 8"),
        (Header { repeats: 5, ..header() }, "repeats was 4 and is now 5"),
        (Header { budget_s: Some(285.0), ..header() }, "budget was none and is now 285 s"),
        (Header { apart: true, ..header() }, "--apart was false and is now true"),
        (Header { seconds: 1.0, ..header() }, "seconds was 0.9 and is now 1"),
        (Header { commit: "def".to_owned(), ..header() }, "commit was abc and is now def"),
        (Header { build: "debug".to_owned(), ..header() }, "build was release and is now debug"),
        (Header { arms: vec![], ..header() }, "arms was [epoll level] and is now []"),
        (Header { host: "other".to_owned(), profile: "full".to_owned(), ..header() }, "host was vm"),
    ] {
        let refusal = refusal(place.open(other));
        assert!(refusal.to_string().contains(words) && refusal.to_string().contains("--fresh"), "{refusal:?}");
        assert_eq!(refusal.code, 2);
    }
    let without_seed = Journal::<Piece>::open(&place.0, Header { seed: 99, ..header() }, false, false);
    assert_eq!(without_seed.expect("the journal has the seed").header().seed, 7);
}

#[test]
fn two_at_once_are_one_too_many() {
    let place = Place::new("locked");
    let first = place.open(header()).expect("nothing is there");
    for is_fresh in [false, true] {
        let refusal = refusal(Journal::open(&place.0, header(), true, is_fresh));
        assert!(refusal.to_string().contains("another process") && refusal.code == 1, "{refusal:?}");
    }
    drop(first);
    place.open(header()).expect("it is free again").remove().expect("ours");
}
