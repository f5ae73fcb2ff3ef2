//! Whether what is to be watched is there: a process or a CPU that does not exist would be sampled as nothing.

use crate::LoadError;
use crate::plan::options::Options;
use std::fs;

pub(super) fn check(options: &Options) -> Result<(), LoadError> {
    if let Some(pid) = options.watch_pid
        && !fs::exists(format!("/proc/{pid}/stat")).unwrap_or(false)
    {
        return Err(LoadError::Usage(format!(
            "--watch-pid {pid}: there is no such process in this PID namespace; `pgrep --list-full NAME` finds one"
        )));
    }
    if options.watch_cpus.is_empty() {
        return Ok(());
    }
    // The sampler reads /proc/stat, which has a line for each CPU that is online (proc_stat(5)).
    let stat = fs::read_to_string("/proc/stat")
        .map_err(|source| LoadError::Setup { what: "read /proc/stat for --watch-cpus", source })?;
    match options.watch_cpus.iter().find(|&&cpu| !is_online(&stat, cpu)) {
        Some(cpu) => Err(LoadError::Usage(format!(
            "--watch-cpus {cpu}: this host has no such CPU online; /sys/devices/system/cpu/online lists those it has"
        ))),
        None => Ok(()),
    }
}

fn is_online(stat: &str, cpu: u32) -> bool {
    let name = format!("cpu{cpu}");
    stat.lines().any(|line| line.split_ascii_whitespace().next() == Some(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exists_can_be_watched() {
        let good = Options { watch_pid: Some(std::process::id()), ..Options::default() };
        check(&good).unwrap();
        check(&Options::default()).unwrap();
        // Beyond the greatest number that pid_max may have (2 to the 22nd, proc_sys_kernel(5)).
        let error = check(&Options { watch_pid: Some(4_194_305), ..good.clone() }).unwrap_err();
        assert!(error.to_string().contains("--watch-pid 4194305"), "{error}");
        let error = check(&Options { watch_cpus: vec![1_023_000], ..good }).unwrap_err();
        assert!(error.to_string().contains("--watch-cpus 1023000"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn a_cpu_is_not_its_prefix() {
        let stat = "cpu  1 2\ncpu0 1 2\ncpu12 1 2\nintr 5\n";
        for (cpu, expected) in [(0, true), (12, true), (1, false), (2, false)] {
            assert_eq!(is_online(stat, cpu), expected, "{cpu}");
        }
    }
}
