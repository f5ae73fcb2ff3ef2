//! Reads the kernel's identity, how it was built and booted, its clock and its mitigations. Keeps only boot options
//! that say nothing about a particular machine or disk.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Serialize;

use super::source::Source;

/// Mitigation texts have several clauses; the first one names the method.
const MITIGATION_LEN_MAX: usize = 48;

/// Configurations of distributions are about 300 KiB. A much larger file is something else.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// Where the kernel shows its clocks.
const CLOCK: &str = "sys/devices/system/clocksource/clocksource0";

/// Kernel version, boot options and mitigations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: Option<String>,
    /// `uname -v`: the build's number, its options and its date.
    pub version: Option<String>,
    /// `uname -m`.
    pub machine: Option<String>,
    /// Boot options of the kernel. Values that could name a machine, a disk or an address are shortened to `…`.
    /// Options for the first process are left out.
    pub command_line: Option<String>,
    /// CPU vulnerability → what the kernel does about it, shortened.
    pub mitigations: BTreeMap<String, String>,
    /// 0 = everyone, 1 = CAP_SYS_ADMIN or io_uring_group, 2 = nobody. The file exists since 6.6.
    pub io_uring_disabled: Option<u64>,
    /// The clock behind `CLOCK_MONOTONIC`.
    pub clocksource: Option<String>,
    /// The clocks to choose from.
    pub clocksources_available: Option<Vec<String>>,
    /// Build options that affect timing and defaults.
    pub build: Build,
}

/// Choices made when the kernel was built. Null if the kernel does not carry its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Build {
    /// Timer interrupts a second, CONFIG_HZ.
    pub timer_hz: Option<u64>,
    /// CONFIG_DEFAULT_TCP_CONG.
    pub congestion_control: Option<String>,
    /// CONFIG_DEFAULT_NET_SCH.
    pub qdisc: Option<String>,
    /// CONFIG_NUMA_BALANCING_DEFAULT_ENABLED.
    pub numa_balancing: Option<bool>,
}

pub(super) fn kernel(source: &mut Source<'_>) -> Kernel {
    let release = source.sysctl_word("kernel.osrelease");
    Kernel {
        version: source.text("proc/sys/kernel/version"),
        // The file exists since 6.1.
        machine: source.sysctl_word("kernel.arch"),
        command_line: source.text("proc/cmdline").map(|text| impersonal(&text)),
        mitigations: mitigations(source),
        io_uring_disabled: source.sysctl("kernel.io_uring_disabled"),
        clocksource: current_clocksource(source),
        clocksources_available: source
            .text(&format!("{CLOCK}/available_clocksource"))
            .map(|text| text.split_whitespace().map(str::to_owned).collect()),
        build: build(source, release.as_deref()),
        release,
    }
}

/// The clock behind `CLOCK_MONOTONIC` of this host.
pub fn clocksource() -> Option<String> {
    current_clocksource(&mut Source::new(Path::new("/")))
}

fn current_clocksource(source: &mut Source<'_>) -> Option<String> {
    source.word(&format!("{CLOCK}/current_clocksource"))
}

/// The configuration that the kernel carries with CONFIG_IKCONFIG_PROC, or the file that the distribution installs
/// with the kernel.
fn build(source: &Source<'_>, release: Option<&str>) -> Build {
    let mut text = String::new();
    let carried = source.open("proc/config.gz").is_some_and(|file| {
        // A file that is cut short or is not gzip contains nothing to rely on.
        GzDecoder::new(file).take(CONFIG_BYTES_MAX).read_to_string(&mut text).is_ok()
    });
    if carried {
        return build_of(&text);
    }
    let beside = release.filter(|release| !release.contains('/'));
    let text = beside.and_then(|release| source.first_lines(&format!("boot/config-{release}"), CONFIG_BYTES_MAX));
    text.map(|text| build_of(&text)).unwrap_or_default()
}

fn build_of(config: &str) -> Build {
    let value = |key: &str| {
        config.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(|value| value.trim_matches('"'))
    };
    let known = value("CONFIG_HZ").is_some();
    Build {
        timer_hz: value("CONFIG_HZ").and_then(|value| value.parse().ok()),
        congestion_control: value("CONFIG_DEFAULT_TCP_CONG").map(str::to_owned),
        qdisc: value("CONFIG_DEFAULT_NET_SCH").map(str::to_owned),
        // Options that are off are comments. So once the file is known, their absence is an answer.
        numa_balancing: known.then(|| value("CONFIG_NUMA_BALANCING_DEFAULT_ENABLED") == Some("y")),
    }
}

/// Boot options without what identifies a machine. Everything after `--` belongs to the first process (kernel docs
/// admin-guide/kernel-parameters.rst).
fn impersonal(command_line: &str) -> String {
    let options = command_line.split_whitespace().take_while(|option| *option != "--");
    let kept: Vec<String> = options.map(impersonal_option).collect();
    kept.join(" ")
}

/// An option, with its value if that consists only of numbers and plain words.
fn impersonal_option(option: &str) -> String {
    let Some((key, value)) = option.split_once('=') else {
        return option.to_owned();
    };
    // Settings that name something, whatever their values are.
    let names = ["name", "host", "uuid", "serial", "machine_id", "root", "resume", "password", "token", "mac"];
    let key_is_plain = !names.iter().any(|word| key.to_ascii_lowercase().contains(word)) && key != "ip";
    if key_is_plain && value.split(',').all(is_plain) { option.to_owned() } else { format!("{key}=…") }
}

/// A number, a range, a size or a short word. Not a path, address, identifier or assignment.
fn is_plain(value: &str) -> bool {
    const WORD_LEN_MAX: usize = 24;
    /// Eight hexadecimal digits in a row start a UUID, a serial number or a MAC address without colons.
    const HEXADECIMAL_RUN_MAX: usize = 7;
    if value.parse::<u64>().is_ok() {
        return true;
    }
    let characters = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+'));
    let longest_run = value.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max().unwrap_or(0);
    characters && value.len() <= WORD_LEN_MAX && longest_run <= HEXADECIMAL_RUN_MAX
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
    fn boot_options_keep_what_decides_and_lose_what_identifies() {
        for (found, expected) in [
            ("quiet mitigations=auto,no_guest_host", "quiet mitigations=auto,no_guest_host"),
            ("isolcpus=nohz,domain,2-5 thash_entries=16777216", "isolcpus=nohz,domain,2-5 thash_entries=16777216"),
            ("tsc=reliable hugepagesz=1G", "tsc=reliable hugepagesz=1G"),
            ("BOOT_IMAGE=/vmlinuz-6 root=UUID=0a1b ro", "BOOT_IMAGE=… root=… ro"),
            ("rd.luks.uuid=luks-1 x=0123456789ab", "rd.luks.uuid=… x=…"),
            ("ip=dhcp ip6=fe80::1 nfs=10.0.0.1 systemd.hostname=web", "ip=… ip6=… nfs=… systemd.hostname=…"),
            ("psi=1 -- --listen 10.0.0.1:80 --token secret", "psi=1"),
            ("", ""),
        ] {
            assert_eq!(impersonal(found), expected, "{found:?}");
        }
    }

    #[test]
    fn a_configuration_says_what_the_defaults_are() {
        let text = "CONFIG_HZ_250=y\nCONFIG_HZ=250\nCONFIG_DEFAULT_TCP_CONG=\"bbr\"\n\
                    # CONFIG_NUMA_BALANCING_DEFAULT_ENABLED is not set\n";
        let expected = Build {
            timer_hz: Some(250),
            congestion_control: Some("bbr".to_owned()),
            qdisc: None,
            numa_balancing: Some(false),
        };
        assert_eq!(build_of(text), expected);
        assert_eq!(build_of(""), Build::default());
    }
}
