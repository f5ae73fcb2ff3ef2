//! Queues, TIME_WAIT and timers of TCP.

use super::found::Found;
use crate::lint::numbers::numbers;
use crate::lint::subject::Subject;
use crate::lint::sysctl_d::Setting;
use crate::lint::value::Effective;

/// Seconds in FIN_WAIT_2, the kernel's own (tcp(7), tcp_fin_timeout).
const FIN_TIMEOUT: i128 = 60;
/// The first kernel whose accept queues have more than 16 bits.
const WIDE_BACKLOG: (u64, u64) = (5, 0);
/// The first kernel whose somaxconn is 4096; it was 128 (listen(2)).
const LONG_BACKLOG: (u64, u64) = (5, 4);

/// Settings in force of a key that begin with a number.
fn in_force<'a>(subject: &Subject<'a>, key: &str) -> Vec<(&'a Setting, i128)> {
    let with_number = |setting: &'a Setting| Some((setting, *numbers(&setting.value).first()?));
    subject.winning(key).into_iter().filter_map(with_number).collect()
}

pub(super) fn reuse_without_timestamps(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    if subject.number_after_boot("net.ipv4.tcp_timestamps") != Some(0) {
        return Vec::new();
    }
    let says =
        "tcp_tw_reuse tells old segments from new ones by their timestamps. With tcp_timestamps=0 it does nothing.";
    let found = |(setting, _): (&Setting, i128)| Found::warn(&setting.at, says).mend("net.ipv4.tcp_timestamps = 1");
    in_force(subject, "net.ipv4.tcp_tw_reuse").into_iter().filter(|(_, reuse)| *reuse > 0).map(found).collect()
}

pub(super) fn fin_timeout(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let says = "This shortens FIN_WAIT_2, the wait for the other end's FIN. It does not shorten TIME_WAIT: that lasts 60 \
                seconds, which is a constant in the kernel.";
    let mend = "keep it only if connections pile up in FIN_WAIT_2; against TIME_WAIT let clients close first";
    let found = |(setting, _): (&Setting, i128)| Found::info(&setting.at, says).mend(mend);
    in_force(subject, "net.ipv4.tcp_fin_timeout").into_iter().filter(|(_, s)| *s < FIN_TIMEOUT).map(found).collect()
}

pub(super) fn time_wait_buckets_lowered(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let key = "net.ipv4.tcp_max_tw_buckets";
    let Some(own) = subject.default(key) else { return Vec::new() };
    let found = |(setting, _): (&Setting, i128)| {
        let says = format!(
            "Above this number the kernel ends TIME_WAIT at once, so a late segment can reach a new connection. It lowers the \
             kernel's own {own}. A socket in TIME_WAIT costs 256 bytes."
        );
        Found::warn(&setting.at, says).mend("remove the line")
    };
    in_force(subject, key).into_iter().filter(|(_, buckets)| *buckets < own).map(found).collect()
}

pub(super) fn syn_backlog_under_cookies(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let key = "net.ipv4.tcp_max_syn_backlog";
    let (Some(cookies), Some(own)) = (subject.number_after_boot("net.ipv4.tcp_syncookies"), subject.default(key))
    else {
        return Vec::new();
    };
    if cookies == 0 {
        return Vec::new();
    }
    let says = "With SYN cookies on, nothing reads this. The queue of handshakes is as long as the accept queue: the smaller \
                of somaxconn and the number given to listen().";
    let mend = "raise net.core.somaxconn, and the backlog of the program";
    let found = |(setting, _): (&Setting, i128)| Found::info(&setting.at, says).mend(mend);
    in_force(subject, key).into_iter().filter(|(_, backlog)| *backlog > own).map(found).collect()
}

pub(super) fn somaxconn_lowered(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let key = "net.core.somaxconn";
    // Older kernels have 128, and nobody lowers that.
    let Some(own) = subject.default(key).filter(|_| subject.release().is_some_and(|release| release >= LONG_BACKLOG))
    else {
        return Vec::new();
    };
    let found = |(setting, _): (&Setting, i128)| {
        let says = format!(
            "This shortens the accept queues of all listeners: the kernel's own is {own} since Linux 5.4. Many guides are \
             older and raise 128."
        );
        Found::warn(&setting.at, says).mend("remove the line")
    };
    in_force(subject, key).into_iter().filter(|(_, queue)| (0..own).contains(queue)).map(found).collect()
}

pub(super) fn somaxconn_too_large(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    if !subject.is_older_than(WIDE_BACKLOG) {
        return Vec::new();
    }
    let says = "This kernel keeps the length of an accept queue in 16 bits, so it refuses or cuts a larger number.";
    let found = |(setting, _): (&Setting, i128)| Found::bad(&setting.at, says).mend("net.core.somaxconn = 65535");
    let too_large = |(_, queue): &(&Setting, i128)| *queue > i128::from(u16::MAX);
    in_force(subject, "net.core.somaxconn").into_iter().filter(too_large).map(found).collect()
}
