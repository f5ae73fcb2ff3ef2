//! Reads the kernel's identity, its clock, its mitigations and the processors.

use std::collections::BTreeMap;

use super::source::{Source, ranges, word};
use super::{Cpu, Kernel};

/// Mitigation texts run to several clauses; the first names the method.
const MITIGATION_LEN_MAX: usize = 48;

pub(super) fn kernel(source: &mut Source<'_>) -> Kernel {
    const CLOCK: &str = "sys/devices/system/clocksource/clocksource0";
    Kernel {
        release: source.sysctl_word("kernel.osrelease"),
        command_line: source.text("proc/cmdline"),
        mitigations: mitigations(source),
        io_uring_disabled: source.sysctl("kernel.io_uring_disabled"),
        clocksource: source.parsed(&format!("{CLOCK}/current_clocksource"), "one word", word),
        clocksources_available: source
            .text(&format!("{CLOCK}/available_clocksource"))
            .map(|text| text.split_whitespace().map(str::to_owned).collect()),
    }
}

pub(super) fn cpu(source: &mut Source<'_>) -> Cpu {
    Cpu {
        model: source.text("proc/cpuinfo").and_then(|text| model(&text)),
        online_count: source.parsed("sys/devices/system/cpu/online", "a list of processors", |text| {
            let count = ranges(text)?.iter().map(|(first, last)| last - first + 1).sum();
            (count > 0).then_some(count)
        }),
        governor: source.parsed("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "one word", word),
    }
}

/// x86 says `model name`, s390 and some ARM kernels say `Processor`, most ARM kernels say nothing.
fn model(cpuinfo: &str) -> Option<String> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        let named = matches!(key.trim(), "model name" | "Processor");
        (named && !value.trim().is_empty()).then(|| value.trim().to_owned())
    })
}

fn mitigations(source: &mut Source<'_>) -> BTreeMap<String, String> {
    const FOLDER: &str = "sys/devices/system/cpu/vulnerabilities";
    let mut found = BTreeMap::new();
    for name in source.names(FOLDER) {
        if let Some(text) = source.text(&format!("{FOLDER}/{name}")) {
            found.insert(name, shortened(&text));
        }
    }
    found
}

fn shortened(text: &str) -> String {
    let first_clause = text.split(';').next().unwrap_or_default();
    let method = first_clause.strip_prefix("Mitigation: ").unwrap_or(first_clause);
    method.trim().chars().take(MITIGATION_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mitigations_keep_their_first_clause() {
        for (text, expected) in [
            ("Not affected", "Not affected"),
            ("Mitigation: Enhanced / Automatic IBRS; IBPB: conditional", "Enhanced / Automatic IBRS"),
            ("Vulnerable: no microcode; SMT vulnerable", "Vulnerable: no microcode"),
            ("", ""),
        ] {
            assert_eq!(shortened(text), expected);
        }
    }

    #[test]
    fn the_model_is_the_first_named_one() {
        assert_eq!(model("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n").as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!(model("processor : 0\nBogoMIPS : 50"), None);
        assert_eq!(model("no colon"), None);
    }
}
