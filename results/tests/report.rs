//! Reports say what the record says and no more: the answer first, the controls, and the files.

mod sample;

use results::compare::{compare, conflicts};
use results::judged::Judged;
use results::record::{Cell, Metric, Record, Role, Turns, VerdictState};
use results::report::{
    agreement_table, answer_in_a_line, answer_lines, champions_table, document, find_readme_block, markdown_of, matrix,
    operations_table, plain, readme_block, render, spread_table,
};
use results::run::Curve;
use results::stats::blocks::Finding;
use sample::{cell, load, of, record};

fn markdown(record: &Record) -> String {
    markdown_of(&document(record, &[]))
}

#[test]
fn the_report_has_every_part_in_order() {
    let text = markdown(&record());
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("# ") || line.starts_with("## ")).collect();
    assert_eq!(
        headings,
        [
            "# echo-cpu",
            "## Each arm under each load",
            "## Cost against connections",
            "## How it was measured",
            "## Not run",
            "## Notes and limits"
        ]
    );
    for expected in [
        "12 blocks, 288 starts of server and generator, each at least 0.1 s of load and a window of 0.25 s",
        "Linux 6.18.0, Some CPU, 2 processors",
        "Seed 42",
        "co-located",
        "- io_uring poll: EPERM \\| no ring",
        "absolute throughput is not claimed",
        "git checkout abcdef1\ncargo build --release\ntarget/release/c10m bench echo-cpu --seed 42\n",
        "The pilot expected to find 2.1 %.",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing from:\n{text}");
    }
    for line in text.lines().filter(|line| line.starts_with('|')) {
        assert!(line.ends_with('|'), "{line}");
    }
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
}

#[test]
fn the_answer_comes_first_and_says_what_the_run_could_see() {
    let lines = answer_lines(&record());
    assert!(lines.len() <= 4, "{lines:?}");
    let text = lines.join("\n");
    for expected in [
        "Against epoll level, in server CPU per request over 3 loads together: multishot needs ",
        "% less [",
        "nginx needs 2.00 times as much [",
        "Equal within 2 %: epoll edge.",
        "How much depends on the load: multishot 0.75 × with echo 8,000, 0.95 × with echo ",
        "Resolves 0.",
        "0 of 4 undecided. The twin: ",
        "a planted 5.0 % was seen as 5.",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing from:\n{text}");
    }
    let whole = markdown(&record());
    let first = whole.lines().nth(4).unwrap_or_default();
    assert!(first.starts_with("> Against epoll level"), "{whole}");
    assert!(answer_in_a_line(&record()).starts_with("Against epoll level"));
}

#[test]
fn a_run_whose_controls_do_not_hold_says_so_before_anything_else() {
    let mut cells = load(64, 3.8);
    cells[5] = cell(64, "epoll level (twin)", Role::Twin, 4.4);
    cells[6] = cell(64, "epoll level (handicapped)", Role::Handicapped, 4.0);
    let answer = answer_in_a_line(&of(cells));
    assert!(
        answer.starts_with(
            "This run cannot be believed: it finds a difference between the reference and its twin, and it does not \
             find the planted 5.0 %."
        ),
        "{answer}"
    );
}

#[test]
fn many_arms_are_told_by_both_ends() {
    let mut cells = load(64, 3.8);
    cells.extend((0..5).map(|index| cell(64, &format!("peer {index}"), Role::Arm, 5.0 + f64::from(index))));
    let answer = answer_in_a_line(&of(cells));
    assert!(answer.contains("7 arms need more, from peer 0 (25."), "{answer}");
    assert!(answer.contains(") to peer 4 (2.25 times as much ["), "{answer}");
}

#[test]
fn what_cannot_be_answered_is_said() {
    let nothing = of(vec![]);
    assert_eq!(answer_in_a_line(&nothing), "No start was recorded, so there is no answer.");
    assert_eq!(render(&nothing, &[]).len(), 2);
    let mut few = record();
    few.cells.iter_mut().for_each(|cell| cell.runs.truncate(3));
    assert!(answer_in_a_line(&few).contains("complete blocks are too few"), "{}", answer_in_a_line(&few));
    let alone = of(load(64, 3.8).into_iter().take(1).collect());
    assert_eq!(answer_in_a_line(&alone), "There is no arm to compare another with.");
}

#[test]
fn the_matrix_has_every_arm_and_every_load() {
    let record = record();
    let judged = Judged::of(&record);
    let tables = matrix(&record, &judged);
    let [table] = tables.as_slice() else { panic!("{tables:?}") };
    assert_eq!(table.header, ["arm", "all loads", "echo 64", "echo 1,000", "echo 8,000"]);
    assert_eq!(table.rows[0][..2], ["epoll level", "1"]);
    assert!(table.rows[0][2].ends_with(" µs"), "{:?}", table.rows[0]);
    assert_eq!((table.rows[1][0].as_str(), table.rows[1][4].as_str()), ("multishot", "▼ 0.75"));
    assert!(table.rows[3][1].starts_with("▲ 2.0"), "{:?}", table.rows[3]);
    let cells = (1..=9).flat_map(|connections| load(connections, 3.8)).collect();
    let many = of(cells);
    let tables = matrix(&many, &Judged::of(&many));
    assert_eq!(tables.iter().map(|table| table.header.len()).collect::<Vec<_>>(), [6, 5, 2], "no table is wide");
}

#[test]
fn times_of_invalid_starts_are_in_no_quantile_and_counted() {
    let mut cells = load(64, 3.8);
    cells[1].runs[0].times = VerdictState::Invalid;
    cells[1].runs[1].cpu = VerdictState::Invalid;
    for cell in &mut cells {
        cell.summary = results::record::Summary::of(&cell.runs, None);
    }
    let text = markdown(&of(cells));
    assert!(text.contains("1 decide nothing because") && text.contains("the times of 1 are in no quantile"), "{text}");
    assert!(text.contains("1 blocks lack a start that stands"), "{text}");
}

#[test]
fn all_files_are_rendered_and_named() {
    let mut record = record();
    for cell in &mut record.cells {
        cell.arm = cell.arm.replace("nginx", "a <b> & c");
    }
    record.waits = vec!["before block 3: waited 3 s for orphans".to_owned()];
    record.resumed = 2;
    let curve = |cell: &Cell| Curve { cell: cell.key.clone(), points: vec![(0.0, 10.0), (0.9, 20.0), (0.99, 400.0)] };
    let curves: Vec<Curve> = record.cells.iter().map(curve).collect();
    let files: Vec<(String, String)> = render(&record, &curves)
        .into_iter()
        .map(|(name, content)| (name, String::from_utf8(content).expect("UTF-8")))
        .collect();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "report.md",
            "report.html",
            "ratios.svg",
            "connections-echo-closed-loop-pipeline-1.svg",
            "latency-echo-64-connections-closed-loop-pipeline-1.svg",
            "latency-echo-1-000-connections-closed-loop-pipeline-1.svg",
            "latency-echo-8-000-connections-closed-loop-pipeline-1.svg",
        ]
    );
    let (md, html) = (&files[0].1, &files[1].1);
    for (name, svg) in &files[2..] {
        assert!(svg.starts_with("<svg") && !svg.contains("NaN"), "{name}: {svg}");
    }
    assert!(files[2].1.contains("controls: what this run makes of what is known"), "the controls are in the chart");
    assert_eq!(html.matches("<svg").count(), files.len() - 2, "every chart is in the page");
    assert!(html.contains("a &#60;b&#62;") && !html.contains("a <b>"), "names are escaped");
    assert!(!html.contains('`'), "code is marked up");
    for page in [md, html] {
        for part in ["first before block 3: waited 3 s for orphans", "continued 2 times"] {
            assert!(page.contains(part), "{part} is missing from {page}");
        }
    }
    assert!(html.contains("the other figures") && !md.contains("the other figures"), "each load is on the page only");
    assert!(
        md.contains("echo, 64 connections, closed loop, pipeline 1: in `report.html`."),
        "and the text says so: {md}"
    );
}

/// Thirteen loads of eighteen arms, as the largest experiment has.
#[test]
fn the_largest_report_is_read_in_a_few_minutes() {
    let cells = (1..=13u64).flat_map(|connections| {
        let peers = (0..14).map(move |index| cell(connections, &format!("peer number {index}"), Role::Arm, 5.0));
        load(connections, 3.8).into_iter().chain(peers)
    });
    let text = markdown(&of(cells.collect()));
    let words = text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count();
    assert!(words <= 1500, "{words} words");
}

#[test]
fn what_only_some_experiments_count_has_its_tables() {
    let mut record = record();
    assert!(operations_table(&record).is_none() && spread_table(&record).is_none());
    for run in &mut record.cells[1].runs {
        (run.sqes_per_request, run.accepts_max_over_mean) = (Some(1.5), Some(1.25));
    }
    record.cells[1].summary = results::record::Summary::of(&record.cells[1].runs, None);
    assert_eq!(operations_table(&record).unwrap().rows, [["multishot", "2.00", "n/a", "1.50", "n/a", "echo 64"]]);
    assert_eq!(spread_table(&record).unwrap().rows, [["multishot", "1.25", "n/a", "echo 64"]]);
}

/// Chosen by one half, measured by the other: an arm that is cheap in the blocks that choose only wins nothing.
#[test]
fn the_best_of_each_side_meet_in_blocks_that_did_not_choose_them() {
    let record = record();
    let table = champions_table(&record, &Judged::of(&record)).expect("two other servers");
    assert_eq!(table.rows[0][..4], ["echo 64", "multishot", "hyper", "0.63"]);
    assert_eq!((table.rows.len(), table.rows[0][6].as_str()), (3, "cheaper"));
    let mut lucky = record.clone();
    for run in &mut lucky.cells[2].runs {
        run.server_run_us_per_request = Some(if run.block % 2 == 0 { 1.0 } else { 12.0 });
    }
    let table = champions_table(&lucky, &Judged::of(&lucky)).expect("two other servers");
    assert_eq!(table.rows[0][1], "epoll edge", "it is chosen");
    assert!(
        table.rows[0][3].starts_with("1.9") || table.rows[0][3].starts_with("2.0"),
        "and loses: {:?}",
        table.rows[0]
    );
}

#[test]
fn one_other_server_stands_in_the_other_tables_beside_the_reference_alone() {
    let mut record = record();
    record.cells.retain(|cell| cell.arm != "nginx");
    let table = champions_table(&record, &Judged::of(&record)).expect("an arm is cheaper than the reference");
    assert_eq!(table.rows[0][..3], ["echo 64", "multishot", "hyper"]);
    assert_eq!(table.rows.len(), 3);
    let with = |metric, reference_us: f64| {
        let mut record = record.clone();
        record.metric = metric;
        for run in record.cells.iter_mut().filter(|cell| cell.role == Role::Reference).flat_map(|cell| &mut cell.runs) {
            run.server_run_us_per_request = Some(reference_us);
        }
        champions_table(&record, &Judged::of(&record))
    };
    assert!(with(Metric::ServerRun, 4.0).is_some());
    assert_eq!(with(Metric::ServerRun, 0.1), None, "the reference is the best");
    assert_eq!(with(Metric::ClientCpu, 4.0), None, "generators are no servers");
}

#[test]
fn generators_agree_when_their_intervals_lie_within_what_does_not_matter() {
    assert!(agreement_table(&record()).is_none(), "no generators, no table");
    let on = |generator: &str, role: Role, factor: f64| {
        let mut cell = cell(64, &format!("{generator} on nginx"), role, 4.0);
        (cell.generator, cell.server) = (generator.to_owned(), "nginx".to_owned());
        for run in &mut cell.runs {
            let wobble = run.server_run_us_per_request.expect("a cost") / 4.0;
            run.requests_per_second = 1000.0 * factor * wobble;
        }
        cell
    };
    let mut record =
        of(vec![on("wrk", Role::Reference, 1.0), on("ours", Role::Arm, 1.0), on("theirs", Role::Arm, 1.4)]);
    record.decision.reference = "wrk".to_owned();
    record.metric = Metric::ClientCpu;
    let table = agreement_table(&record).expect("generators");
    assert_eq!(table.rows.len(), 2, "the reference has no row: {table:?}");
    assert!(table.rows[0][0] == "ours, echo 64, nginx" && table.rows[0][1].starts_with("agrees 0.99"), "{table:?}");
    assert!(table.rows[1][1].starts_with("differs 1.4"), "{table:?}");
    assert_eq!(table.rows[0][5], "equal in 12 of 12");
    // The line before it says that the run lost its twin.
    let first = |record: &Record| answer_lines(record)[1].clone();
    assert!(first(&record).contains("client CPU per request"), "what they cost: {}", first(&record));
    record.decision.is_agreement = true;
    for run in record.cells.iter_mut().filter(|cell| cell.generator == "theirs").flat_map(|cell| &mut cell.runs) {
        run.response_us_p50 = run.response_us_p50.map(|us| if run.block % 2 == 0 { us * 0.7 } else { us * 1.5 });
    }
    let answer = first(&record);
    for part in [
        "Against wrk with echo 64, nginx: ours agrees in requests a second (± 5 %), the median (± 10 %), p90 (± 10 %) and p99 (± 20 %); ",
        "; theirs agrees in p90 (± 10 %) and p99 (± 20 %), differs in requests a second (1.40 [",
        "]), leaves open the median (1.0",
    ] {
        assert!(answer.contains(part), "{part:?} is not in {answer}");
    }
    let svg = render(&record, &[]).into_iter().find(|(name, _)| name == "ratios.svg").expect("a chart").1;
    let svg = String::from_utf8(svg).expect("text");
    for part in ["requests a second: agrees within 5 %", "]  agrees", "]  differs", "]  open", "← less"] {
        assert!(svg.contains(part), "{part:?} is not in {svg}");
    }
}

#[test]
fn lengths_of_windows_are_told_with_their_loads() {
    let mut record = record();
    let turns = |rounds, window_s, load: &str| Turns { rounds, window_s, loads: vec![load.into()] };
    record.design.turns = vec![turns(8, 0.025, "echo × 64 closed"), turns(4, 0.1, "echo × 10,000 closed")];
    let text = markdown(&record);
    assert!(
        text.contains(
            "for a window of 25 ms, in 8 rounds of random order, every second one mirrored; under echo × 10,000 closed, for a \
             window of 100 ms, in 4 rounds. A round from which the hypervisor took time is made again, up to half as many. Under 1 \
             of 3 loads they were measured one after another"
        ),
        "{text}"
    );
}

#[test]
fn the_block_of_a_readme_is_found_again() {
    let block = readme_block(&record(), "results/runs/x");
    let text = format!("# Title\n\n{block}\nmore\n");
    assert_eq!(find_readme_block(&text), Some(("results/runs/x", block.as_str())));
    assert!(block.contains("[echo-cpu](results/runs/x/report.md), 12 blocks, 288 starts"), "{block}");
    assert!(block.contains("| multishot | ▼ 0."), "{block}");
    assert_eq!(find_readme_block("no block"), None);
}

#[test]
fn text_cannot_break_a_table() {
    assert_eq!(plain("a | <b>\n c"), "a \\| \\<b> c");
}

/// What the machine did to a whole run is in both of its figures, and not in their ratio.
#[test]
fn two_runs_are_compared_by_their_ratios_to_the_reference() {
    let first = record();
    let scaled = |factor: f64| {
        let mut other = record();
        for run in other.cells.iter_mut().flat_map(|cell| &mut cell.runs) {
            run.server_run_us_per_request = run.server_run_us_per_request.map(|cost| cost * factor);
        }
        other
    };
    let same = compare(&first, &scaled(1.7));
    let all: Vec<_> = same.arms.iter().filter(|pair| pair.load.is_none()).collect();
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|pair| pair.change.finding == Finding::Equal), "{all:?}");
    assert_eq!(same.controls_hold, [true, true]);
    let changed = of([64, 1000, 8000].into_iter().flat_map(|connections| load(connections, 4.4)).collect());
    let pair = compare(&first, &changed);
    let of = |name: &str| pair.arms.iter().find(|pair| pair.arm == name && pair.load.is_none()).expect("an arm").change;
    assert_eq!((of("multishot").finding, of("nginx").finding), (Finding::Dearer, Finding::Equal));
    assert!(of("multishot").low > 1.1 && of("multishot").ratio < 1.4, "{:?}", of("multishot"));
    assert!(pair.only_first.is_empty() && pair.arms.iter().filter(|pair| pair.load.is_some()).count() == 18);
}

#[test]
fn runs_of_different_kinds_or_hosts_conflict() {
    let first = record();
    let changed = |change: fn(&mut Record)| {
        let mut other = first.clone();
        change(&mut other);
        let found = conflicts(&first, &other).into_iter().map(|conflict| (conflict.what, conflict.is_host));
        found.collect::<Vec<_>>()
    };
    let of = |what: &str, is_host| vec![(what.to_owned(), is_host)];
    assert_eq!(changed(|_| {}), []);
    assert_eq!(changed(|record| record.experiment = "x".into()), of("experiment", false));
    assert_eq!(changed(|record| record.design.seconds_per_run = 1.0), of("seconds per run", false));
    let turns = |record: &mut Record| {
        record.design.turns = vec![Turns { rounds: 8, window_s: 0.025, loads: vec!["echo × 64 closed".into()] }];
    };
    assert_eq!(changed(turns), of("how servers are measured", false));
    assert_eq!(changed(|record| record.host["kernel"]["release"] = "7.0".into()), of("kernel", true));
    let loads = changed(|record| record.cells.iter_mut().for_each(|cell| cell.connections += 1));
    assert_eq!(loads, of("loads", false));
    let keys = changed(|record| record.cells.iter_mut().for_each(|cell| cell.key += "x"));
    assert_eq!(keys, of("loads and arms (none is in both)", false));
}
