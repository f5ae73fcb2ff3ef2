//! Whether what is to be watched is there: a process or a CPU that does not exist would be sampled as nothing.

use crate::LoadError;
use crate::plan::options::Options;
use host::kernel::CpuTimes;
use host::process;

pub(super) fn check(options: &Options) -> Result<(), LoadError> {
    if let Some(pid) = options.watch_pid
        && !process::exists(pid)
    {
        return Err(LoadError::Usage(format!(
            "--watch-pid {pid}: there is no such process in this PID namespace; `pgrep --list-full NAME` finds one"
        )));
    }
    if options.watch_cpus.is_empty() {
        return Ok(());
    }
    // The sampler reads /proc/stat, which has a line for each CPU that is online (proc_stat(5)).
    let times =
        CpuTimes::read().map_err(|source| LoadError::Setup { what: "read /proc/stat for --watch-cpus", source })?;
    match options.watch_cpus.iter().find(|&&cpu| times.of(cpu).is_none()) {
        Some(cpu) => Err(LoadError::Usage(format!(
            "--watch-cpus {cpu}: this host has no such CPU online; /sys/devices/system/cpu/online lists those it has"
        ))),
        None => Ok(()),
    }
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
}
