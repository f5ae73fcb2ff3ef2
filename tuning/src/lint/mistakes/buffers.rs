//! Memory of TCP and of sockets.

use super::found::Found;
use crate::lint::numbers::numbers;
use crate::lint::subject::Subject;
use crate::lint::sysctl_d::Setting;
use crate::lint::value::Effective;
use crate::number::{bytes, thousands};

const BUFFERS: [&str; 2] = ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"];
/// Without window scaling a window has 64 KiB; a buffer below that makes scaling useless.
const MAX_TINY: i128 = 65_536;
/// tcp_rmem's maximum before 6.16, linux net/ipv4/tcp.c `tcp_init`.
const RECEIVE_MAX_BEFORE_6_16: i128 = 6 << 20;

/// Settings in force of some keys, with their numbers.
fn in_force<'a>(subject: &Subject<'a>, keys: &[&str]) -> Vec<(&'a Setting, Vec<i128>)> {
    let with_numbers = |setting: &'a Setting| (setting, numbers(&setting.value));
    keys.iter().flat_map(|key| subject.winning(key)).map(with_numbers).collect()
}

fn size(number: i128) -> String {
    u64::try_from(number).map_or_else(|_| number.to_string(), bytes)
}

pub(super) fn tcp_mem_in_bytes(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let (Some(ram), Some(page)) = (subject.place.variables.ram, subject.place.variables.page) else {
        return Vec::new();
    };
    let pages = (ram / page) as i128;
    let found = |(setting, numbers): (&Setting, Vec<i128>)| {
        let most = numbers.iter().copied().max().filter(|most| *most > pages)?;
        let says = format!(
            "{} counts pages of {page} bytes. {} pages are {}, and this host has {}, so the limit is never reached.",
            setting.key,
            u64::try_from(most).map_or_else(|_| most.to_string(), thousands),
            size(most.saturating_mul(page as i128)),
            bytes(ram as u64)
        );
        let mend = match subject.rule(&setting.key).and_then(|rule| rule.default_value(&subject.place.variables)) {
            Some(default) => format!("write pages, or remove the line: the kernel's own are {default}"),
            None => "write pages, or remove the line".to_owned(),
        };
        Some(Found::warn(&setting.at, says).mend(mend))
    };
    in_force(subject, &["net.ipv4.tcp_mem", "net.ipv4.udp_mem"]).into_iter().filter_map(found).collect()
}

pub(super) fn order(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |(setting, numbers): (&Setting, Vec<i128>)| {
        let [least, default, most] = numbers[..].try_into().ok()?;
        let wrong = match (least > default, default > most) {
            (true, _) => format!("The minimum {least} is above the default {default}."),
            (false, true) => format!("The default {default} is above the maximum {most}."),
            (false, false) => return None,
        };
        let says = format!("{} is minimum, default and maximum of a socket's buffer in bytes. {wrong}", setting.key);
        Some(Found::warn(&setting.at, says).mend("write the three numbers in rising order"))
    };
    in_force(subject, &BUFFERS).into_iter().filter_map(found).collect()
}

pub(super) fn max_tiny(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |(setting, numbers): (&Setting, Vec<i128>)| {
        let most = *numbers.get(2).filter(|most| **most < MAX_TINY)?;
        let says = format!(
            "No socket gets more than {} then, so a connection with a long round trip is very slow. It saves nothing while \
             connections are idle: buffers take memory only for data that waits in them.",
            size(most)
        );
        Some(Found::warn(&setting.at, says).mend("remove the line"))
    };
    in_force(subject, &BUFFERS).into_iter().filter_map(found).collect()
}

pub(super) fn max_lowered(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |(setting, numbers): (&Setting, Vec<i128>)| {
        let most = *numbers.get(2).filter(|most| **most >= MAX_TINY)?;
        let mut own = *subject.defaults(&setting.key)?.get(2)?;
        if setting.key == "net.ipv4.tcp_rmem" && subject.release().is_none_or(|release| release < (6, 16)) {
            own = own.min(RECEIVE_MAX_BEFORE_6_16);
        }
        // The kernel's own depends on memory that the host does not show exactly.
        if most >= own - own / 10 {
            return None;
        }
        let says =
            format!("This lowers the maximum to {}. The kernel's own is {} on this host.", size(most), size(own));
        Some(Found::warn(&setting.at, says).mend("remove the line"))
    };
    in_force(subject, &BUFFERS).into_iter().filter_map(found).collect()
}

/// Only where the buffers of TCP itself are left alone: whoever sets both knows what each does.
pub(super) fn core_for_autotuning(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let mut all = Vec::new();
    for (key, buffers) in [("net.core.rmem_max", BUFFERS[0]), ("net.core.wmem_max", BUFFERS[1])] {
        if !subject.winning(buffers).is_empty() {
            continue;
        }
        let Some(own) = subject.default(key) else { continue };
        for (setting, numbers) in in_force(subject, &[key]) {
            if numbers.first().is_none_or(|number| *number <= own) {
                continue;
            }
            let says = format!(
                "{key} caps only what a program asks for with SO_RCVBUF or SO_SNDBUF. TCP grows its buffers up to the third \
                 number of {buffers}, whatever this is."
            );
            let mend = format!("leave it for programs that set their buffers themselves; for TCP set {buffers}");
            all.push(Found::info(&setting.at, says).mend(mend));
        }
    }
    all
}
