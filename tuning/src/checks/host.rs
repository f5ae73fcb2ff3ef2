//! The host itself: io_uring, clock, frequency, mitigations, capabilities and other load.

use super::check::{Check, Finding, Kind, Measure, State, Turn};
use super::subject::{IoUring, Subject};

pub(super) const RING: &[Check] = &[Check {
    id: "kernel.io_uring_disabled",
    title: "whether a ring can be set up",
    source: "kernel docs admin-guide/sysctl/kernel.rst, io_uring_disabled; io_uring_setup(2)",
    kind: Kind::stops("0 or 1", Some(State::Warn), io_uring),
}];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "clocksource",
        title: "what reading the time costs",
        source: "vdso(7); linux arch/x86/include/asm/vdso/clocksource.h",
        kind: Kind::Setting(clocksource),
    },
    Check {
        id: "scaling_governor",
        title: "processor frequency",
        source: "kernel docs admin-guide/pm/cpufreq.rst",
        kind: Kind::Setting(governor),
    },
    Check {
        id: "mitigations",
        title: "protections against the processor",
        source: "kernel docs admin-guide/hw-vuln/index.rst",
        kind: Kind::Setting(mitigations),
    },
    Check {
        id: "capabilities",
        title: "what this process may set up",
        source: "capabilities(7)",
        kind: Kind::Setting(capabilities),
    },
    Check {
        id: "pressure",
        title: "other load on this host",
        source: "kernel docs accounting/psi.rst",
        kind: Kind::Setting(pressure),
    },
];

fn io_uring(subject: &Subject<'_>) -> Option<Finding> {
    let disabled = subject.facts.kernel.io_uring_disabled;
    let found = disabled.map_or("no such setting".to_owned(), |value| value.to_string());
    let (works, state, hit_at, meaning) = match subject.io_uring {
        IoUring::Available => ("works", State::Ok, None, "a ring was set up".to_owned()),
        IoUring::Unavailable(why) => {
            let cause = match disabled {
                Some(1) => "reserved for CAP_SYS_ADMIN and the group in kernel.io_uring_group",
                Some(2..) => "disabled for everyone",
                Some(0) => "not disabled by the kernel: a container's seccomp filter or an old feature set refuses it",
                None => "refused by the kernel or by a seccomp filter; the setting exists since Linux 6.6",
            };
            let meaning = format!("{cause} ({why}); the epoll and mio backends do not need it");
            ("does not work", State::Warn, Some(0), meaning)
        }
    };
    let mut finding = Finding::setting(state, format!("{found}, {works}"), meaning);
    if hit_at.is_some() && disabled.is_some_and(|value| value > 0) {
        finding = finding.wanted("0").mend(Turn::Host, "sysctl -w kernel.io_uring_disabled=0");
    }
    // If the request uses no ring, no number of connections hits it.
    let is_asked = subject.request.backend.is_uring();
    finding.measure = is_asked.then_some(Measure { limit: disabled, need: Some(0), hit_at, is_known: true });
    Some(finding)
}

fn clocksource(subject: &Subject<'_>) -> Finding {
    let Some(name) = subject.facts.kernel.clocksource.as_deref() else {
        return Finding::not_readable();
    };
    // Clocks that a process reads without a system call: x86, its hypervisors, arm64 and riscv.
    const WITHOUT_SYSCALL: [&str; 5] =
        ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "riscv_clocksource"];
    // Clocks behind a slow bus: about a microsecond per reading, for each of several stamps per request.
    const SLOW: [&str; 3] = ["hpet", "acpi_pm", "jiffies"];
    if WITHOUT_SYSCALL.contains(&name) {
        return Finding::setting(State::Ok, name, "read without a system call");
    }
    if !SLOW.contains(&name) {
        return Finding::setting(State::Info, name, "not known to be readable without a system call");
    }
    let finding = Finding::setting(State::Warn, name, "every reading of the time is a system call and a slow device");
    let tsc_available = subject.facts.kernel.clocksources_available.iter().flatten().any(|other| other == "tsc");
    if tsc_available {
        finding
            .wanted("tsc")
            .mend(Turn::Host, "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource")
    } else {
        finding
    }
}

fn governor(subject: &Subject<'_>) -> Finding {
    match subject.facts.cpu.governor.as_deref() {
        None => Finding::setting(
            State::Ok,
            "absent",
            "the kernel does not set the frequency: a virtual machine, or firmware does",
        ),
        Some("performance") => Finding::setting(State::Ok, "performance", "the frequency does not follow the load"),
        Some(other) => Finding::setting(
            State::Info,
            other,
            "the frequency follows the load, so the lighter arm of a comparison may run slower",
        )
        .wanted("performance, while comparing")
        .mend(Turn::Host, "cpupower frequency-set --governor performance"),
    }
}

fn mitigations(subject: &Subject<'_>) -> Finding {
    let all = &subject.facts.kernel.mitigations;
    if all.is_empty() {
        return Finding::not_readable();
    }
    let unaffected = |text: &&String| text.starts_with("Not affected");
    let vulnerable = all.values().filter(|text| text.starts_with("Vulnerable")).count();
    let mitigated = all.len() - all.values().filter(unaffected).count() - vulnerable;
    let off = subject
        .facts
        .kernel
        .command_line
        .as_deref()
        .is_some_and(|line| line.split_whitespace().any(|option| option == "mitigations=off"));
    let found = format!("{mitigated} mitigated, {vulnerable} open");
    if off {
        return Finding::setting(
            State::Info,
            found,
            "mitigations=off: system calls are cheaper here than on a protected host",
        );
    }
    Finding::setting(
        State::Ok,
        found,
        "part of what a system call costs; named in every record, and not to be switched off",
    )
}

fn capabilities(subject: &Subject<'_>) -> Finding {
    let set = &subject.facts.capabilities;
    let (Some(sys_resource), Some(net_admin)) = (set.sys_resource, set.net_admin) else {
        return Finding::not_readable();
    };
    let word = |has: bool| if has { "yes" } else { "no" };
    let found = format!("SYS_RESOURCE {}, NET_ADMIN {}", word(sys_resource), word(net_admin));
    let meaning = match (sys_resource, net_admin) {
        (true, true) => "hard limits can be raised, network namespaces and TUN devices made",
        (true, false) => "no TUN device or network namespace can be made, which only some experiments need",
        (false, true) => "hard limits cannot be raised, not even by root",
        (false, false) => "an ordinary user: serving and loading over loopback need no more",
    };
    // Root has both and a user has neither; a mixture is a surprise.
    let state = if sys_resource == net_admin { State::Ok } else { State::Info };
    Finding::setting(state, found, meaning)
}

fn pressure(subject: &Subject<'_>) -> Finding {
    let set = &subject.facts.pressure;
    let Some(cpu) = set.cpu_percent else {
        return Finding::not_readable();
    };
    // No document defines a quiet host; a tenth of the time is our own threshold.
    const QUIET_PERCENT_MAX: f64 = 10.0;
    let found = format!("cpu {cpu:.1} %, memory {:.1} %", set.memory_percent.unwrap_or(0.0));
    let waiting = cpu.max(set.memory_percent.unwrap_or(0.0));
    if waiting <= QUIET_PERCENT_MAX {
        return Finding::setting(State::Ok, found, "quiet over the last ten seconds");
    }
    Finding::setting(
        State::Info,
        found,
        "tasks have been waiting in the last ten seconds: measure when nothing else runs",
    )
    .wanted(format!("≤ {QUIET_PERCENT_MAX} %"))
}
