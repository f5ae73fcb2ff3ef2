//! Parses the text of each file of /proc. Pure: no file is opened here.

use super::counters::Counters;
use super::delta::{CpuTime, SocketStat};
use crate::text::field;

/// The `Tcp` line of /proc/net/snmp. Stores its counters in `counters`, and returns CurrEstab, which is a level.
pub(crate) fn snmp(text: &str, counters: &mut Counters) -> Option<u64> {
    let mut established = None;
    for (name, value) in named_values(text, "Tcp:") {
        match name {
            "CurrEstab" => established = Some(value),
            _ => counters.put(name, value),
        }
    }
    established
}

/// The `TcpExt` line of /proc/net/netstat.
pub(crate) fn netstat(text: &str, counters: &mut Counters) {
    tcp_ext(text).for_each(|(name, value)| counters.put(name, value));
}

/// All counters of the `TcpExt` line.
pub(crate) fn tcp_ext(text: &str) -> impl Iterator<Item = (&str, u64)> {
    named_values(text, "TcpExt:")
}

/// The pairs from a line of names and a line of values that both begin with `title`. None when the lines differ in
/// length, because no value would belong to a name for certain. Leaves out values that are not unsigned numbers
/// (MaxConn is −1).
fn named_values<'t>(text: &'t str, title: &str) -> impl Iterator<Item = (&'t str, u64)> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(title));
    let mut words = || lines.next().unwrap_or("").split_ascii_whitespace();
    let (names, values) = (words(), words());
    let is_sound = names.clone().count() == values.clone().count();
    let pairs = names.zip(values).filter_map(|(name, value)| Some((name, value.parse().ok()?)));
    pairs.take(if is_sound { usize::MAX } else { 0 })
}

/// /proc/net/sockstat: current levels. `established` is not in this file and remains as it is.
pub(crate) fn sockstat(text: &str, levels: &mut SocketStat) {
    let tcp = |name: &str| level(text, "TCP", name);
    *levels = SocketStat {
        used: level(text, "sockets", "used"),
        tcp_inuse: tcp("inuse"),
        tcp_orphan: tcp("orphan"),
        tcp_tw: tcp("tw"),
        tcp_alloc: tcp("alloc"),
        tcp_mem_pages: tcp("mem"),
        established: levels.established,
    };
}

/// The number after `name` in the line `TCP: inuse 1 orphan 0 …`, which alternates between names and values.
pub(crate) fn level(text: &str, line: &str, name: &str) -> Option<u64> {
    let mut words = field(text, line)?.split_ascii_whitespace();
    while let (Some(found), Some(value)) = (words.next(), words.next()) {
        if found == name {
            return value.parse().ok();
        }
    }
    None
}

/// One CPU's line of /proc/net/softnet_stat. The kernel's counters have 32 bits and wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SoftnetRow {
    pub(crate) cpu: u32,
    pub(crate) processed: u32,
    pub(crate) dropped: u32,
    pub(crate) squeezed: u32,
}

/// /proc/net/softnet_stat, hexadecimal. Offline CPUs have no line. Since Linux 5.10, the 13th field of a line has its
/// CPU; before that, the number of the line must serve.
pub(crate) fn softnet(text: &str) -> impl Iterator<Item = SoftnetRow> {
    text.lines().enumerate().filter_map(|(number, line)| {
        let mut fields = line.split_ascii_whitespace().map(|field| u32::from_str_radix(field, 16).ok());
        let (processed, dropped, squeezed) = (fields.next()??, fields.next()??, fields.next()??);
        let cpu = match fields.nth(9) {
            Some(cpu) => cpu?,
            None => number as u32,
        };
        Some(SoftnetRow { cpu, processed, dropped, squeezed })
    })
}

/// The lines of /proc/stat for single CPUs, in ticks of `tick_us` (proc_stat(5)). User time contains guest time; nice
/// time is added to it here.
pub(crate) fn stat(text: &str, tick_us: u64) -> Vec<CpuTime> {
    let line = |line: &str| {
        let mut fields = line.strip_prefix("cpu")?.split_ascii_whitespace();
        let cpu = fields.next()?.parse().ok()?;
        let mut next_us = || fields.next()?.parse::<u64>().ok()?.checked_mul(tick_us);
        let [user, nice, system_us, idle_us, iowait_us, irq_us, softirq_us, steal_us] =
            [next_us()?, next_us()?, next_us()?, next_us()?, next_us()?, next_us()?, next_us()?, next_us()?];
        let user_us = user.checked_add(nice)?;
        Some(CpuTime { cpu, user_us, system_us, irq_us, softirq_us, steal_us, idle_us, iowait_us })
    };
    // The first line is the sum of all CPUs. The CPU lines end at the first line of another kind. The line after them
    // is the longest: it counts every interrupt and is not worth splitting.
    text.lines()
        .take_while(|text| text.starts_with("cpu"))
        .filter(|text| !text.starts_with("cpu "))
        .filter_map(line)
        .collect()
}

/// Time of `cpus` up to `now_us` on the clock that counts from boot that was neither idle nor waiting for I/O; what was
/// stolen meanwhile is in it. It is not the sum of user, system, irq and softirq: these are sampled at ticks, and
/// of a server that wakes up for 10 µs at a time they see a few, while the kernel measures idle and iowait
/// from tick to nohz (get_idle_time in fs/proc/stat.c). Stolen time must not be taken off as well: the kernel calls a
/// virtual CPU idle from when it goes to sleep until it runs again, and the hypervisor calls it stolen from when it was
/// woken, so a part of it is both. Absent when the list is empty or one of the CPUs is missing.
pub(crate) fn not_idle_us(times: &[CpuTime], cpus: &[u32], now_us: u64) -> Option<u64> {
    sum_of(times, cpus, |time| now_us.checked_sub(time.idle_us.checked_add(time.iowait_us)?))
}

/// What the hypervisor took from `cpus` since boot. Absent when the list is empty or one of the CPUs is missing.
pub(crate) fn stolen_us(times: &[CpuTime], cpus: &[u32]) -> Option<u64> {
    sum_of(times, cpus, |time| Some(time.steal_us))
}

fn sum_of(times: &[CpuTime], cpus: &[u32], of: impl Fn(&CpuTime) -> Option<u64>) -> Option<u64> {
    let add = |sum: u64, cpu: &u32| sum.checked_add(of(times.iter().find(|time| time.cpu == *cpu)?)?);
    if cpus.is_empty() { None } else { cpus.iter().try_fold(0, add) }
}

/// Time that a thread has waited in a run queue, in ns: the second field of `/proc/[pid]/schedstat`
/// (Documentation/scheduler/sched-stats.rst). The outer `None` means a malformed text. The inner one means a thread
/// that has never run; a kernel that does not count shows the same.
pub(crate) fn schedstat(text: &str) -> Option<Option<u64>> {
    let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
    let (run_ns, wait_ns, slices) = (fields.next()??, fields.next()??, fields.next()??);
    Some((run_ns > 0 || slices > 0).then_some(wait_ns))
}

/// Voluntary and involuntary context switches of a thread, from its `/proc/[pid]/task/[tid]/status`.
pub(crate) fn switches(text: &str) -> Option<(u64, u64)> {
    let value = |title: &str| text.lines().find_map(|line| line.strip_prefix(title))?.trim().parse().ok();
    Some((value("voluntary_ctxt_switches:")?, value("nonvoluntary_ctxt_switches:")?))
}

/// Time in which some task waited for a CPU, in µs: `total` of the first line of /proc/pressure/cpu
/// (Documentation/accounting/psi.rst).
pub(crate) fn pressure(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kept counters that were found.
    fn found(counters: &Counters) -> Vec<(&'static str, u64)> {
        let zeros = {
            let mut zeros = Counters::default();
            counters.since(counters).for_each(|(name, _)| zeros.put(name, 0));
            zeros
        };
        counters.since(&zeros).filter_map(|(name, value)| Some((name, value?))).collect()
    }

    #[test]
    fn tcp_of_snmp() {
        let real = "Ip: Forwarding DefaultTTL InReceives\nIp: 2 64 661528719\n\
            Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs \
            OutSegs RetransSegs InErrs OutRsts InCsumErrors\n\
            Tcp: 1 200 120000 -1 1954077 1949414 4526 91469 12 661528983 661528195 2914 0 141894 0\n\
            Udp: InDatagrams InErrors\nUdp: 184 7\n";
        let mut counters = Counters::default();
        assert_eq!(snmp(real, &mut counters), Some(12));
        let expected = [
            ("ActiveOpens", 1_954_077),
            ("AttemptFails", 4526),
            ("EstabResets", 91_469),
            ("InCsumErrors", 0),
            ("InErrs", 0),
            ("InSegs", 661_528_983),
            ("OutRsts", 141_894),
            ("OutSegs", 661_528_195),
            ("PassiveOpens", 1_949_414),
            ("RetransSegs", 2914),
        ];
        assert_eq!(found(&counters), expected);

        for (text, established, count) in [
            ("", None, 0),
            ("Tcp:", None, 0),
            ("Tcp: InSegs OutSegs\n", None, 0),
            ("Tcp: InSegs OutSegs\nTcp: 1\n", None, 0),
            ("Tcp: InSegs\nTcp: 1 2\n", None, 0),
            ("Tcp: InSegs OutSegs CurrEstab\nTcp: 1 x 3\n", Some(3), 1),
            ("Tcp: InSegs OutSegs CurrEstab\nTcp: 1 99999999999999999999 -3\n", None, 1),
            ("TcpExt: InSegs\nTcpExt: 1\n", None, 0),
        ] {
            let mut counters = Counters::default();
            assert_eq!(snmp(text, &mut counters), established, "{text:?}");
            assert_eq!(found(&counters).len(), count, "{text:?}");
        }
    }

    #[test]
    fn tcp_ext_of_netstat() {
        let real = "TcpExt: SyncookiesSent EmbryonicRsts TW TWRecycled ListenOverflows ListenDrops TCPMD5NotFound\n\
            TcpExt: 0 3 1722033 98949 38 39 5\nIpExt: InNoRoutes InOctets\nIpExt: 0 166769503440\n";
        let mut counters = Counters::default();
        netstat(real, &mut counters);
        let expected = [
            ("EmbryonicRsts", 3),
            ("ListenDrops", 39),
            ("ListenOverflows", 38),
            ("SyncookiesSent", 0),
            ("TW", 1_722_033),
            ("TWRecycled", 98_949),
        ];
        assert_eq!(found(&counters), expected);
    }

    #[test]
    fn sockets() {
        let real = "sockets: used 14\nTCP: inuse 1 orphan 2 tw 3 alloc 4 mem 5\nUDP: inuse 6 mem 7\nUDPLITE: inuse 0\n";
        let mut levels = SocketStat { established: Some(9), ..SocketStat::default() };
        sockstat(real, &mut levels);
        let expected = SocketStat {
            used: Some(14),
            tcp_inuse: Some(1),
            tcp_orphan: Some(2),
            tcp_tw: Some(3),
            tcp_alloc: Some(4),
            tcp_mem_pages: Some(5),
            established: Some(9),
        };
        assert_eq!(levels, expected);
        for (text, inuse) in [
            ("", None),
            ("TCP: inuse", None),
            ("TCP: inuse x tw 3", None),
            ("TCP: tw 3 inuse 8", Some(8)),
            ("TCP6: inuse 4", None),
        ] {
            let mut levels = SocketStat::default();
            sockstat(text, &mut levels);
            assert_eq!(levels.tcp_inuse, inuse, "{text:?}");
        }
    }

    #[test]
    fn softnet_rows() {
        let row = |cpu, processed, dropped, squeezed| SoftnetRow { cpu, processed, dropped, squeezed };
        let real = "13d020a4 000000e2 000000ff 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 \
            00000000 00000000 00000000 00000000\n\
            ffffffff 00000262 000000fe 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 \
            00000000 0000000b 00000000 00000000\n";
        for (text, expected) in [
            (real, vec![row(0, 0x13d0_20a4, 226, 255), row(11, u32::MAX, 610, 254)]),
            ("1 2 3 0 0 0 0 0 0 0 0\na b c 0 0 0 0 0 0 0 0\n", vec![row(0, 1, 2, 3), row(1, 10, 11, 12)]),
            ("1 2\nx 2 3\n100000000 0 0\n1 2 3\n", vec![row(3, 1, 2, 3)]),
            ("", vec![]),
        ] {
            assert_eq!(softnet(text).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn cpu_times() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 100 101 4 5 6 7 8\ncpu1 bad\ncpu2 1 2 3 4 5 6 7\n\
            cpu10 10 0 0 1 1 0 0 0\nintr 1\ncpu3 1 1 1 1 1 1 1 1\n";
        let times = stat(text, 10);
        let first = CpuTime {
            cpu: 0,
            user_us: 30,
            system_us: 30,
            irq_us: 40,
            softirq_us: 50,
            steal_us: 60,
            idle_us: 1000,
            iowait_us: 1010,
        };
        assert_eq!(times[0], first);
        assert_eq!(times.iter().map(|time| time.cpu).collect::<Vec<_>>(), [0, 10], "malformed lines have no CPU");
        let away = |time: &CpuTime| time.idle_us + time.iowait_us;
        let now_us = 1_000_000;
        let (zero, ten) = (now_us - away(&times[0]), now_us - away(&times[1]));
        assert_eq!(zero, 1_000_000 - 1000 - 1010);
        assert_eq!((stolen_us(&times, &[0, 10]), stolen_us(&times, &[1])), (Some(60), None));
        for (cpus, busy) in
            [(&[0][..], Some(zero)), (&[0, 10], Some(zero + ten)), (&[10], Some(ten)), (&[1], None), (&[], None)]
        {
            assert_eq!(not_idle_us(&times, cpus, now_us), busy, "{cpus:?}");
        }
        assert_eq!(not_idle_us(&times, &[0], 100), None, "less time has passed than the CPU was away");
        assert_eq!(stat("", 10), []);
        assert_eq!(stat("cpu0 18446744073709551615 1 1 1 1 1 1 1", 10), [], "does not fit");
    }

    #[test]
    fn thread_waits() {
        for (text, expected) in [
            ("110555776 166680716 523\n", Some(Some(166_680_716))),
            ("0 5 1\n", Some(Some(5))),
            ("0 0 0\n", Some(None)),
            ("1 2", None),
            ("1 x 3", None),
            ("", None),
        ] {
            assert_eq!(schedstat(text), expected, "{text:?}");
        }
        let real =
            "Name:\tload-0\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t33\nnonvoluntary_ctxt_switches:\t17\n";
        for (text, expected) in [
            (real, Some((33, 17))),
            ("voluntary_ctxt_switches:\t33\n", None),
            ("nonvoluntary_ctxt_switches:\t33\n", None),
            ("voluntary_ctxt_switches:\tx\nnonvoluntary_ctxt_switches:\t17\n", None),
            ("", None),
        ] {
            assert_eq!(switches(text), expected, "{text:?}");
        }
    }

    #[test]
    fn pressure_of_some() {
        let real = "some avg10=2.11 avg60=1.98 avg300=12.51 total=784263071\n\
            full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        for (text, expected) in [
            (real, Some(784_263_071)),
            ("full avg10=0.00 total=5\n", None),
            ("some avg10=0.00\n", None),
            ("some total=x\n", None),
            ("", None),
        ] {
            assert_eq!(pressure(text), expected, "{text:?}");
        }
    }
}
