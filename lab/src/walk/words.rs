//! The walk in words for a terminal of any width.

use results::report::measure;
use results::visible::visible_line;
use textwrap::Options;

use crate::walk::record::{GeneratorRecord, Generators, Met, Walk, WallRecord, number};

/// Longer lines are hard to read; shorter ones leave no room beside the labels.
const WIDTH: std::ops::RangeInclusive<usize> = 30..=100;
/// Width of a label and the blanks around it.
const LABEL: &str = "          ";

/// The whole walk.
pub(super) fn text(walk: &Walk, width: usize) -> String {
    let width = width.clamp(*WIDTH.start(), *WIDTH.end());
    let mut text = String::new();
    for (index, wall) in walk.walls.iter().enumerate() {
        text += &format!("\n{}\n", textwrap::fill(&format!("{}. {}", index + 1, wall.title), width));
        of_wall(wall).iter().for_each(|(label, words)| text += &line(label, words, width));
    }
    text += &of_generators(&walk.generators, width);
    text
}

fn line(label: &str, words: &str, width: usize) -> String {
    let first = format!("  {label:<8}");
    let shown = visible_line(words);
    let wrapped = textwrap::fill(&shown, Options::new(width).initial_indent(&first).subsequent_indent(LABEL));
    format!("{wrapped}\n")
}

fn of_wall(wall: &WallRecord) -> Vec<(&'static str, String)> {
    let limit = wall.limit.map_or("cannot be read, or none".to_owned(), number);
    let mut lines = vec![("here", limit), ("how", wall.how.clone())];
    match &wall.met {
        Met::Hit { at, call, errno, seen } => {
            lines.push(("hit", format!("{errno} from {call} at {}", number(*at))));
            lines.extend(seen.iter().map(|seen| ("", seen.clone())));
        }
        Met::NotHit { reason } => lines.push(("not hit", format!("{reason}."))),
    }
    lines.push(("fails", wall.fails.clone()));
    lines.push(("server", wall.server.clone()));
    lines.push(("counter", wall.counter.clone()));
    lines.extend(
        wall.mends
            .iter()
            .enumerate()
            .map(|(index, command)| (if index == 0 { "mend" } else { "" }, format!("$ {command}"))),
    );
    lines.extend(wall.traps.iter().map(|trap| ("trap", trap.clone())));
    lines
}

fn of_generators(generators: &Generators, width: usize) -> String {
    let Generators { descriptors, connections, seconds, .. } = generators;
    let title = format!(
        "On the client: each load generator with {descriptors} descriptors, asked for {connections} connections and {seconds} s"
    );
    let mut text = format!("\n{}\n", textwrap::fill(&title, width));
    for met in &generators.met {
        text += &line(&met.program, &of_generator(met), width);
        let said = met.said.as_ref().map_or("It said nothing of it.".to_owned(), |said| format!("It said: {said}"));
        text += &line("", &said, width);
    }
    generators.left_out.iter().for_each(|reason| text += &line("", &format!("Left out: {reason}."), width));
    text
}

fn of_generator(met: &GeneratorRecord) -> String {
    let ended = match (met.ended_by_itself, met.exit_code) {
        (false, _) => "still ran at the end and was ended".to_owned(),
        (true, Some(code)) => format!("exit code {code}"),
        (true, None) => "ended by a signal".to_owned(),
    };
    format!(
        "{ended} after {} s; the server took in {} connections and answered {} requests; it took {} s of CPU time.",
        measure(met.wall_s),
        number(met.connections_served),
        number(met.requests_served),
        measure(met.cpu_s)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::record::{Errno, Wall};
    use crate::walk::table::known;

    fn walk() -> Walk {
        let wall = |wall: Wall, met: Met| WallRecord {
            wall,
            title: known(wall).title.to_owned(),
            limit: Some(20_000),
            how: known(wall).how.to_owned(),
            met,
            fails: known(wall).fails.to_owned(),
            server: known(wall).server.to_owned(),
            counter: known(wall).counter.to_owned(),
            mends: vec!["ulimit -n 5".to_owned()],
            traps: vec!["A trap.".to_owned()],
        };
        let errno = Errno { number: 24, name: "EMFILE".to_owned(), message: "Too many open files".to_owned() };
        let hit = Met::Hit { at: 1024, call: "accept(2)".to_owned(), errno, seen: vec!["It was seen.".to_owned()] };
        let not = Met::NotHit { reason: "it would do harm".to_owned() };
        let generator = GeneratorRecord {
            program: "wrk".to_owned(),
            version: "wrk 4".to_owned(),
            command: "wrk".to_owned(),
            exit_code: Some(0),
            ended_by_itself: true,
            said: Some("Socket errors: \u{1b}[31mconnect 99".to_owned()),
            connections_served: 93,
            requests_served: 1000,
            cpu_s: 1.5,
            wall_s: 2.0,
        };
        let left_out = vec!["oha is not installed".to_owned()];
        Walk {
            version: String::new(),
            commit: String::new(),
            kernel: String::new(),
            walls: vec![wall(Wall::Soft, hit), wall(Wall::FileMax, not)],
            generators: Generators { descriptors: 100, connections: 200, seconds: 2, met: vec![generator], left_out },
        }
    }

    #[test]
    fn it_fits_any_terminal_and_leaves_nothing_out() {
        for width in [1, 40, 80, 500] {
            let text = text(&walk(), width);
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(longest <= width.clamp(30, 100), "{longest} of {width}:\n{text}");
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in [
                "1. The soft limit",
                "hit EMFILE (24, \"Too many open files\") from accept(2) at 1,024",
                "not hit it would do harm.",
                "$ ulimit -n 5",
                "trap A trap.",
                "wrk exit code 0 after 2",
                "93 connections",
                "Left out: oha is not installed.",
            ] {
                assert!(flat.contains(part), "{part:?} at {width}:\n{text}");
            }
            assert!(!text.contains('\u{1b}'), "a program's own words are not a terminal's commands");
        }
    }
}
