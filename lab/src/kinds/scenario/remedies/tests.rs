//! Reports of made-up records, and a scenario about remedies on a host that follows a script.

use std::sync::Arc;

use crate::kinds::scenario::conduct::{Published, publish};
use crate::kinds::scenario::plan::{About, Length, Scenario};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::foretold::{Case, Diagram, Foretold};
use crate::kinds::scenario::remedies::judge;
use crate::kinds::scenario::remedies::made_up;
use crate::kinds::scenario::remedies::record::{ArmRecord, Better, CounterRecord, Record, RunRecord};
use crate::kinds::scenario::remedies::report::{answers, document, tables};
use crate::kinds::scenario::remedies::table::{Figure, Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::mock::{Mock, Play};
use crate::session::namespace::Needs;
use crate::session::request::Profile;
use crate::session::side::Side;
use crate::session::trial::{Place, stage};

const TRIAL: Remedies = Remedies {
    about: About {
        name: "trial",
        question: "Does it help?",
        explanation: "",
        decision: "",
        profiles: &[Profile::Quick],
        length: Length::Usual { repeats: 4, seconds: 1 },
        wait_max: None,
        attempts_max: 1,
        needs: Needs::Nothing,
        has_control: true,
    },
    load: "",
    arms: |_| vec![Arm::named("nothing", "nothing is done"), Arm::named("good", "something good is done")],
    seconds: |_, asked| (f64::from(asked), 0.0),
    timeline: |_, _| {
        let start = |role, ready, line: &str| Action::Start { role, command: Command::own(&words(line)), ready };
        vec![
            start(Role::Server, Ready::Announced, "serve echo"),
            Action::Observe,
            start(Role::Load, Ready::AtOnce, "load {host}:{port}"),
            Action::wait(Until::Ended(Role::Load)),
            Action::End(Role::Server),
        ]
    },
    figures: &[Figure {
        name: "replies",
        unit: "per s",
        better: Better::More,
        is_generators_time: false,
        of: |scene| Some(scene.load.requests.completed as f64),
    }],
    least: |_| 1.0,
    picture: Picture {
        title: "Replies",
        y_name: "replies/s",
        caption: "Replies over time.",
        points: |_| vec![(0.0, 1.0), (1.0, 2.0)],
    },
    counters: &[(Side::Client, "ActiveOpens")],
    fault_shows: |record| {
        (record.median_of("nothing", "replies") > Some(50.0)).then(|| "nothing went wrong".to_owned())
    },
    expectations: &[],
    foretell: |_| None,
    asides: |_| vec![],
    happened: |_| "It went wrong.".to_owned(),
    advice: |_| "Do good.".to_owned(),
    notes: &["A note."],
};

fn record(arms: &[(&str, [f64; 4])]) -> Record {
    let arm = |(name, values): &(&str, [f64; 4])| ArmRecord {
        name: (*name).to_owned(),
        what: format!("what {name} does"),
        group: None,
        repeats_max: None,
        commands: vec![format!("c10m load {name}")],
        runs: (0..).zip(values).map(|(repeat, value)| run(repeat, *value)).collect(),
        effect: None,
        is_bound: false,
    };
    let run_of = arms.iter().map(arm);
    let mut remedies: Vec<ArmRecord> = run_of.collect();
    judge::judge_all(&mut remedies, Better::More, judge::EFFECT_MIN);
    Record {
        notes: vec!["A note.".to_owned()],
        counters: vec![CounterRecord { side: Side::Client, name: "ActiveOpens".to_owned() }],
        ..made_up::of_arms(&TRIAL, remedies)
    }
}

fn run(repeat: u32, value: f64) -> RunRecord {
    RunRecord {
        repeat,
        order: repeat,
        figures: vec![Some(value)],
        least: 1.0,
        counters: vec![Some(u64::from(repeat))],
        points: vec![(0.0, 0.0), (1.0, value)],
        verdict: "VALID".to_owned(),
    }
}

fn usual() -> Record {
    record(&[
        ("nothing", [10.0, 11.0, 9.0, 10.0]),
        ("nothing (twin)", [10.1, 10.8, 9.2, 10.0]),
        ("useless", [10.0, 11.1, 9.0, 10.1]),
        ("good", [30.0, 33.0, 27.5, 30.0]),
        ("bad", [5.0, 5.5, 4.6, 5.0]),
    ])
}

#[test]
fn the_answer_comes_first_and_ranks_the_remedies() {
    let record = usual();
    let said = answers(&TRIAL, &record);
    assert_eq!((said[0].as_str(), said.last().map(String::as_str)), ("It went wrong.", Some("Do good.")));
    let place = |words: &str| said[1].find(words).unwrap_or_else(|| panic!("{words}: {}", said[1]));
    let order = [
        "What helps, by replies against doing nothing: good 3.0",
        "No help, or not enough to see: useless",
        "worse: bad",
    ];
    let places = order.map(place);
    assert!(places.is_sorted(), "{said:?}");
    let text = results::report::markdown_of(&document(&TRIAL, &record));
    for part in [
        "what good does",
        "client ActiveOpens",
        "a connect sent its first SYN",
        "trial.svg",
        "measured twice",
        "A note.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let rows = &tables(&TRIAL, &record)[0].rows;
    let names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, ["nothing", "nothing (twin)", "good", "useless", "bad"]);
    assert!(TRIAL.is_fulfilled(&record, 5) && !TRIAL.is_fulfilled(&record, 6));
}

/// A remedy that does nothing any more, a fault that no longer shows, and a run that is missing change what is said.
#[test]
fn each_part_of_the_answer_can_turn() {
    let mut same = usual();
    same.remedies[3].runs = same.remedies[0].runs.clone();
    judge::judge_all(&mut same.remedies, Better::More, judge::EFFECT_MIN);
    let said = answers(&TRIAL, &same);
    assert!(!said[1].contains("What helps") && said[1].contains("not enough to see"), "{said:?}");
    assert!(!said.contains(&"Do good.".to_owned()), "advice that nothing bears out: {said:?}");

    let mut dead = record(&[("nothing", [0.0; 4]), ("nothing (twin)", [0.0; 4]), ("good", [99.0; 4])]);
    assert!(answers(&TRIAL, &dead)[1].contains("good at least 99.0 ×"), "{:?}", answers(&TRIAL, &dead));
    dead.remedies[2].is_bound = false;
    assert!(!answers(&TRIAL, &dead)[1].contains("at least"));

    let fine = record(&[("nothing", [99.0; 4]), ("nothing (twin)", [99.0; 4]), ("good", [99.0; 4])]);
    assert!(answers(&TRIAL, &fine)[0].contains("does not show what it should: nothing went wrong"));
    assert!(!TRIAL.is_fulfilled(&fine, 3));

    // Without the fault it must be the other way round.
    let control = |mut record: Record| {
        record.head.without_fault = true;
        (answers(&TRIAL, &record)[0].clone(), TRIAL.is_fulfilled(&record, 3))
    };
    let (words, is_right) = control(fine);
    assert!(words.contains("not seen, as it should be (nothing went wrong)") && is_right, "{words}");
    let (words, is_right) = control(usual());
    assert!(words.contains("do not believe") && !is_right, "{words}");

    let mut short = usual();
    short.remedies[3].runs.pop();
    assert!(!TRIAL.is_fulfilled(&short, 5));
    for arm in &mut short.remedies {
        (arm.effect, arm.runs) = (None, arm.runs[..2].to_vec());
    }
    assert!(answers(&TRIAL, &short)[1].starts_with("Too few repeats"));
}

/// What goes through something else stands apart, with every figure; and what a model says beside what was measured.
#[test]
fn groups_and_models_stand_apart() {
    let mut record = usual();
    let other = record.remedies[4].clone();
    record.remedies.push(ArmRecord {
        name: "bad, larger".to_owned(),
        group: Some("Larger".to_owned()),
        effect: None,
        is_bound: false,
        ..other
    });
    let case = |clients, foretold, measured| Case {
        arm: "good".to_owned(),
        clients,
        foretold: vec![foretold],
        measured: vec![measured],
    };
    record.foretold = Some(Foretold {
        model: "A model.".to_owned(),
        figures: vec!["replies".to_owned()],
        tolerance: Some(0.05),
        cases: vec![case(10, Some(33.0), Some(30.0)), case(100, Some(300.0), None), case(1000, None, None)],
        diagram: Some(Diagram {
            title: "By load".to_owned(),
            columns: vec!["10 %".to_owned()],
            rows: vec![("good".to_owned(), vec!["stuck".to_owned()])],
        }),
    });
    let all = tables(&TRIAL, &record);
    assert!(all[0].rows.iter().all(|row| row[0] != "bad, larger"), "{all:?}");
    let table = |title: &str| all.iter().find(|table| table.title.starts_with(title)).expect("a table");
    assert_eq!(table("Larger").rows, [["bad, larger", "5"]]);
    assert_eq!(table("The model").rows, [["good", "10", "33", "30", "+10 %"]]);
    let text = results::report::markdown_of(&document(&TRIAL, &record));
    for part in [
        "A model.",
        "within 5 % of what was measured: ",
        "trial-model.svg",
        "By load",
        "stuck",
        "bad, larger: what bad does.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Times that the generator took are marked where it calls itself INVALID, and its counts are not.
#[test]
fn times_of_invalid_runs_are_marked_and_not_quoted() {
    const TIMED: [Figure; 1] = [Figure { is_generators_time: true, ..TRIAL.figures[0] }];
    let timed = Remedies { figures: &TIMED, ..TRIAL };
    let mut record = usual();
    let shown = |scenario: &Remedies, record: &Record| tables(scenario, record)[0].rows[2][1].clone();
    assert_eq!((shown(&timed, &record), record.quotable_time("good", "replies")), ("30".to_owned(), Some(30.0)));
    record.remedies[3].runs[1].verdict = "INVALID (V2)".to_owned();
    assert_eq!((shown(&timed, &record), record.quotable_time("good", "replies")), ("(30)".to_owned(), None));
    assert_eq!(shown(&TRIAL, &record), "30");
}

/// Needs CAP_SYS_ADMIN, because the scripted processes are started on hosts of the run's own.
#[test]
fn the_first_arm_is_played_twice_and_each_repeat_is_kept() {
    const READY: &str = r#"{"event":"ready","address":"198.18.0.1:7000"}"#;
    const LOAD: &str = include_str!("../../comparison/tests/load.json");
    const EXIT: &str = include_str!("../../comparison/tests/exit.json");
    let (place, stop) = (Place::new("remedies"), Arc::default());
    let host = Mock::new(|command: &Command, _| match command.arguments[0].as_str() {
        "serve" => Play::serves(READY, EXIT.trim_end()),
        _ => Play::prints(&[LOAD.trim_end()], 0),
    });
    let Published { record, code, .. } = publish(&TRIAL, &place.request(None), stage(&host, &stop)).expect("a record");
    let runs: Vec<(&str, usize)> = record.remedies.iter().map(|arm| (arm.name.as_str(), arm.runs.len())).collect();
    assert_eq!(runs, [("nothing", 4), ("nothing (twin)", 4), ("good", 4)]);
    assert_eq!((code, host.started().len()), (0, 24));
    assert_eq!(record.remedies[0].runs[0].counters, [Some(0)], "nobody connected");
    assert!(host.started().iter().any(|command| command.arguments == words("load 198.18.0.1:7000")));
}

/// An arm that is not compared may have fewer repeats, and is whole with them.
#[test]
fn an_arm_may_have_fewer_repeats() {
    const FEWER: Remedies = Remedies {
        arms: |_| {
            let few = Arm { repeats_max: Some(2), group: Some("Seldom"), ..Arm::named("few", "something") };
            vec![Arm::named("nothing", "nothing is done"), few]
        },
        ..TRIAL
    };
    let cases = FEWER.cases(Profile::Quick);
    let repeats: Vec<u32> = cases.iter().map(|case| FEWER.repeats(case, 4)).collect();
    assert_eq!(repeats, [4, 4, 2]);
    assert_eq!(FEWER.repeats(&cases[2], 1), 1);
    let mut record = usual();
    record.remedies[4].repeats_max = Some(2);
    record.remedies[4].group = Some("Seldom".to_owned());
    assert!(!FEWER.is_fulfilled(&record, 5), "four are not two");
    record.remedies[4].runs.truncate(2);
    assert!(FEWER.is_fulfilled(&record, 5));
    assert!(tables(&FEWER, &record).iter().any(|table| table.title == "Seldom, medians of 2 repeats"));
}

/// Nobody reads a report of everything: what is many is on the page, and the text says so.
#[test]
fn a_long_report_is_folded() {
    let mut record = usual();
    let others = (0..2).map(|number| ArmRecord {
        name: format!("other {number}"),
        group: Some(format!("Group {number}")),
        effect: None,
        ..record.remedies[4].clone()
    });
    let others: Vec<ArmRecord> = others.collect();
    let text = |record: &Record| results::report::markdown_of(&document(&TRIAL, record));
    record.remedies.push(others[0].clone());
    assert!(text(&record).contains("Group 0, medians") && text(&record).contains("other 0: "));
    record.remedies.push(others[1].clone());
    assert!(!text(&record).contains("Group 1, medians") && text(&record).contains("Group 1: in `report.html`"));
    let mut many = usual();
    assert!(text(&many).contains("## The mechanism"));
    many.remedies.extend((0..4).map(|_| many.remedies[4].clone()).collect::<Vec<ArmRecord>>());
    assert!(text(&many).contains("The mechanism: what the kernel counted: in `report.html`"), "{}", text(&many));
    assert!(
        tables(&TRIAL, &record).iter().any(|table| table.title.starts_with("Group 1, medians")),
        "a terminal has all"
    );
}
