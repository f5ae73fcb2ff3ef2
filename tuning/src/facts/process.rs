//! Reads memory, pressure and the capabilities of the process that asks.

use serde::Serialize;

use super::source::Source;

/// Memory of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// MemTotal.
    pub total_bytes: Option<u64>,
    /// MemAvailable: the kernel's own estimate of what can be had without swapping.
    pub available_bytes: Option<u64>,
}

/// Share of the last ten seconds in which some task waited for the resource, in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pressure {
    /// Waiting for a processor.
    pub cpu_percent: Option<f64>,
    /// Waiting for memory.
    pub memory_percent: Option<f64>,
    /// Waiting for a disk.
    pub io_percent: Option<f64>,
}

/// The capabilities that decide what can be set up here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// May raise its hard limits.
    pub sys_resource: Option<bool>,
    /// May make interfaces and namespaces' devices.
    pub net_admin: Option<bool>,
    /// Is exempt from fs.file-max, among many other things.
    pub sys_admin: Option<bool>,
}

pub(super) fn memory(source: &mut Source<'_>) -> Memory {
    const PATH: &str = "proc/meminfo";
    let text = source.text(PATH);
    let mut bytes = |key: &str| {
        let found = kibibytes(text.as_deref()?, key);
        if found.is_none() {
            source.misunderstood(PATH, text.as_deref()?, "MemTotal and MemAvailable in kB");
        }
        found
    };
    Memory { total_bytes: bytes("MemTotal"), available_bytes: bytes("MemAvailable") }
}

pub(super) fn pressure(source: &mut Source<'_>) -> Pressure {
    let mut percent = |resource: &str| source.parsed(&format!("proc/pressure/{resource}"), "some avg10=…", some_avg10);
    Pressure { cpu_percent: percent("cpu"), memory_percent: percent("memory"), io_percent: percent("io") }
}

pub(super) fn capabilities(source: &mut Source<'_>) -> Capabilities {
    // Bit numbers of capabilities(7), include/uapi/linux/capability.h.
    const NET_ADMIN: u32 = 12;
    const SYS_ADMIN: u32 = 21;
    const SYS_RESOURCE: u32 = 24;
    let effective = source.parsed("proc/self/status", "CapEff in hexadecimal", |text| {
        let line = text.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    });
    let has = |bit: u32| effective.map(|set| set >> bit & 1 == 1);
    Capabilities { sys_resource: has(SYS_RESOURCE), net_admin: has(NET_ADMIN), sys_admin: has(SYS_ADMIN) }
}

/// The line `key:   123 kB` of /proc/meminfo, in bytes.
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

/// `some avg10=0.62 avg60=…` of a pressure file.
fn some_avg10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let value = line.split_whitespace().find_map(|part| part.strip_prefix("avg10="))?;
    value.parse().ok().filter(|percent: &f64| percent.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_lines() {
        let text = "MemTotal:       24684084 kB\nMemAvailable:   100 kB\nMemFree: x kB";
        assert_eq!(kibibytes(text, "MemTotal"), Some(24_684_084 * 1024));
        assert_eq!(kibibytes(text, "MemAvailable"), Some(102_400));
        assert_eq!(kibibytes(text, "MemFree"), None);
        assert_eq!(kibibytes(text, "Mem"), None);
    }

    #[test]
    fn pressure_lines() {
        assert_eq!(some_avg10("some avg10=0.62 avg60=0.36 avg300=0.13 total=2\nfull avg10=9"), Some(0.62));
        assert_eq!(some_avg10("full avg10=9"), None);
        assert_eq!(some_avg10("some avg10=NaN"), None);
    }
}
