//! What the first sentences say of loads that differ much, of arms with few loads, and of controls.

mod sample;

use results::record::{Record, Role, Summary};
use results::report::{answer_in_a_line, answer_lines, document, markdown_of, render};
use sample::{cell, load, of, record};

/// With new figures for some starts.
fn with(mut record: Record, change: impl Fn(&mut results::record::RunOfCell, Role, u64)) -> Record {
    for cell in &mut record.cells {
        let (role, connections) = (cell.role, cell.connections);
        cell.runs.iter_mut().for_each(|run| change(run, role, connections));
        cell.summary = Summary::of(&cell.runs, None);
    }
    of(record.cells)
}

#[test]
fn a_mean_over_loads_that_nobody_meets_is_not_told() {
    let of_nginx = |cost| {
        let mut cells = load(64, 3.8);
        cells.extend(load(1000, 3.8));
        cells.iter_mut().filter(|cell| cell.arm == "nginx" && cell.connections == 1000).for_each(|found| {
            *found = cell(1000, "nginx", Role::Arm, cost);
        });
        answer_in_a_line(&of(cells))
    };
    let apart = of_nginx(60.0);
    assert!(apart.contains("nginx needs 2.0") && apart.contains(" to 15.0 times as much, by load"), "{apart}");
    let near = of_nginx(9.0);
    assert!(near.contains("nginx needs 2.1") && !near.contains("by load"), "{near}");
}

#[test]
fn an_arm_without_every_load_says_so_at_either_end() {
    let mut cells = load(64, 3.8);
    cells.extend(load(1000, 3.8));
    cells.retain(|cell| (cell.arm.as_str(), cell.connections) != ("nginx", 1000));
    let few = answer_in_a_line(&of(cells.clone()));
    assert!(few.contains(", over 1 of them") && few.matches("of them").count() == 1, "{few}");
    for load in [64, 1000] {
        cells.extend((0..4).map(|index| cell(load, &format!("peer {index}"), Role::Arm, 5.0)));
    }
    let many = answer_in_a_line(&of(cells));
    assert!(many.contains("arms need more, from") && many.contains("to nginx (2.0"), "{many}");
    assert!(many.contains(", over 1 of them)."), "{many}");
}

#[test]
fn why_less_is_seen_than_was_planted_is_said_where_it_is_known() {
    let calls = |planted_ns: u32, handicapped: f64| {
        let mut record = with(record(), |run, role, _| {
            run.syscalls_per_request = Some(if role == Role::Handicapped { handicapped } else { 2.15 });
        });
        for cell in record.cells.iter_mut().filter(|cell| cell.role == Role::Handicapped) {
            cell.handicap_ns = Some(planted_ns);
        }
        answer_lines(&record).join(" ")
    };
    let reason = "; the dearer one made 2.03 system calls for a request with echo ";
    // 5 % are there to be seen, 10 or 5 were planted.
    assert!(calls(400, 2.03).contains(reason), "{}", calls(400, 2.03));
    for (planted_ns, handicapped) in [(400, 2.15), (200, 2.03)] {
        let text = calls(planted_ns, handicapped);
        assert!(text.contains("was seen as") && !text.contains("the dearer one"), "{text}");
    }
}

#[test]
fn what_was_left_out_and_what_both_sides_counted_is_said() {
    let text = |record: &Record| markdown_of(&document(record, &[]));
    let plain = text(&record());
    assert!(plain.contains("In 288 of the 288 starts whose server counts"), "{plain}");
    assert!(!plain.contains("windows do not count"), "nobody knows: {plain}");
    let other = with(record(), |run, role, connections| {
        run.rounds_dropped = Some(u32::from(role == Role::Twin && connections == 64));
        run.served_whole_run = (role == Role::Reference).then_some(6999);
    });
    let other = text(&other);
    assert!(other.contains("12 windows do not count") && other.contains("In 0 of the 72 starts"), "{other}");
}

#[test]
fn how_servers_were_set_up_is_on_the_page_only() {
    let mut record = record();
    record.servers = vec!["nginx/1.22.1: one worker for each CPU".to_owned()];
    let files = render(&record, &[]);
    let text = |name: &str| {
        let (_, content) = files.iter().find(|(found, _)| found == name).expect("a file");
        String::from_utf8_lossy(content).into_owned()
    };
    assert!(text("report.html").contains("one worker for each CPU") && !text("report.md").contains("one worker"));
}
