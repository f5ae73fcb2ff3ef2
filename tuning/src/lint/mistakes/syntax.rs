//! Lines and values that a reader or the kernel does not take as they were meant. What the kernel accepts was tried on
//! 6.18.44 in a network namespace, 2026-12-01.

use super::found::Found;
use crate::State;
use crate::lint::line::Line;
use crate::lint::numbers::{number, numbers};
use crate::lint::refusal;
use crate::lint::subject::Subject;
use crate::lint::sysctl_d::{Entry, Setting};
use crate::lint::value::Effective;

/// First words of shell commands that people paste into files.
const COMMANDS: [&str; 7] = ["sysctl", "sudo", "echo", "ulimit", "export", "modprobe", "/sbin/sysctl"];
/// Keys whose value is one word of letters, digits and signs such as `_`.
const WORDS: [&str; 2] = ["net.ipv4.tcp_congestion_control", "net.core.default_qdisc"];
/// Keys that take several numbers, none of which may be left out by mistake.
const SEVERAL: [&str; 5] =
    ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_mem", "net.ipv4.udp_mem", "net.ipv4.ip_local_port_range"];
fn broken<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Line> {
    subject.sysctls.entries().filter_map(|entry| match entry {
        Entry::Broken(at) => Some(at),
        _ => None,
    })
}

fn is_command(line: &Line) -> bool {
    line.text.split_whitespace().next().is_some_and(|word| COMMANDS.contains(&word))
}

pub(super) fn command_in_file(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |at: &Line| {
        let assignment = at.text.split_whitespace().find(|word| word.contains('=')).unwrap_or("key=value");
        let says = "This is a shell command. Readers of this file run nothing; they skip the line, or look for a setting of \
                    that name.";
        Found::bad(at, says).mend(format!("write only {assignment}"))
    };
    broken(subject).filter(|at| is_command(at)).map(found).collect()
}

pub(super) fn no_assignment(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |at: &Line| {
        let mut words = at.text.split_whitespace();
        let (key, value) = (words.next().unwrap_or("key"), words.collect::<Vec<_>>().join(" "));
        let mend = format!("write {key} = {}", value.trim_start_matches(':').trim());
        Found::bad(at, "There is no = in this line, so it is skipped.").mend(mend)
    };
    broken(subject).filter(|at| !is_command(at) && !at.text.contains('=')).map(found).collect()
}

pub(super) fn not_understood(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let sysctls = broken(subject).filter(|at| !is_command(at) && at.text.contains('=')).map(|at| {
        Found::bad(at, "No setting can have this name, so the line is skipped.").mend("write name.of.it = value")
    });
    let units = subject.units.broken.iter().map(|at| {
        Found::warn(at, "systemd does not understand this line and skips it.").mend("write Setting=value or [Section]")
    });
    let containers = subject.containers.iter().filter_map(|line| match line {
        crate::lint::containers::ContainerLine::Broken { at } => {
            Some(Found::bad(at, "This is not in the form name=value.").mend("write name=value"))
        }
        _ => None,
    });
    sysctls.chain(units).chain(containers).collect()
}

/// The settings that take numbers, with their values split at white space.
fn numeric<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Setting> {
    let subjects = subject.sysctls.settings().filter(|setting| subject.takes_numbers(&setting.key).is_some());
    subjects.collect::<Vec<_>>().into_iter()
}

pub(super) fn number_with_unit(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |setting: &Setting| {
        let word = setting.value.split_whitespace().take_while(|word| !word.starts_with(['#', ';'])).find(|word| {
            let starts = word.trim_start_matches('-').starts_with(|sign: char| sign.is_ascii_digit());
            starts && number(word).is_none() && !word.contains(['#', ';', '"', '\''])
        })?;
        let says = format!(
            "{word:?} is no number to the kernel: no unit, comma or point may follow the digits. It refuses the value."
        );
        Some(Found::bad(&setting.at, says).mend("write the number in digits alone, in the setting's own unit"))
    };
    numeric(subject).filter_map(found).collect()
}

fn has_quotes(value: &str) -> bool {
    ['"', '\''].iter().any(|sign| value.len() > 1 && value.starts_with(*sign) && value.trim_end().ends_with(*sign))
}

pub(super) fn quoted_value(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let words = subject.sysctls.settings().filter(|setting| WORDS.contains(&setting.key.as_str()));
    let found = |setting: &Setting| {
        let says = "The quotes become part of the value, and the kernel refuses it.";
        let bare = setting.value.trim_matches(['"', '\'']);
        Found::bad(&setting.at, says).mend(format!("write {} = {bare}", setting.key))
    };
    numeric(subject).chain(words).filter(|setting| has_quotes(&setting.value)).map(found).collect()
}

pub(super) fn comment_behind_value(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let words = subject.sysctls.settings().filter(|setting| WORDS.contains(&setting.key.as_str()));
    let found = |setting: &Setting| {
        let at = setting.value.find(['#', ';'])?;
        let before = &setting.value[..at];
        let is_ignored = before.ends_with(char::is_whitespace) && !numbers(before).is_empty();
        let (state, says) = match is_ignored {
            true => (
                State::Info,
                "A comment can only stand in a line of its own. Here it becomes part of the value; the kernel ignores it \
                 only because it reads numbers up to a blank.",
            ),
            false => (
                State::Bad,
                "A comment can only stand in a line of its own. Here it becomes part of the value, and the kernel refuses it.",
            ),
        };
        Some(Found::new(state, &setting.at, says).mend(format!("write {} = {}", setting.key, before.trim())))
    };
    numeric(subject).chain(words).filter_map(found).collect()
}

pub(super) fn octal_number(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |setting: &Setting| {
        let is_octal = |word: &&str| {
            word.len() > 1
                && word.starts_with('0')
                && word.chars().all(|sign| sign.is_ascii_digit())
                && !word.trim_matches('0').is_empty()
        };
        let word = setting.value.split_whitespace().find(is_octal)?;
        let meaning = match number(word) {
            Some(number) => format!("sets {number}"),
            None => "refuses it".to_owned(),
        };
        let says = format!("The kernel reads {word} as octal, because it begins with 0, and {meaning}.");
        Some(Found::warn(&setting.at, says).mend(format!("write {}", word.trim_start_matches('0'))))
    };
    numeric(subject).filter_map(found).collect()
}

pub(super) fn number_count(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |setting: &Setting| {
        let wanted = subject.takes_numbers(&setting.key)?;
        let count = numbers(&setting.value).len();
        if !SEVERAL.contains(&setting.key.as_str()) || count == 0 || count == wanted {
            return None;
        }
        let says = match count < wanted {
            true => format!(
                "{} has {wanted} numbers, and this line sets {count}. The others keep the values they have.",
                setting.key
            ),
            false => format!(
                "{} has {wanted} numbers, and this line has {count}. The kernel ignores the others.",
                setting.key
            ),
        };
        Some(Found::warn(&setting.at, says).mend(format!("write {wanted} numbers with blanks between them")))
    };
    numeric(subject).filter_map(found).collect()
}

pub(super) fn out_of_range(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |setting: &Setting| {
        let (least, most, wrong) = refusal::out_of_range(subject, setting)?;
        let says = format!("{} takes {least} to {most}. The kernel refuses {wrong}.", setting.key);
        Some(Found::bad(&setting.at, says).mend(format!("write a number from {least} to {most}")))
    };
    subject.sysctls.settings().filter_map(found).collect()
}
