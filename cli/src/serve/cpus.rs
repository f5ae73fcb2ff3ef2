//! CPUs as a list on the command line.

/// CPUs in the order in which they were given. clap would expect several arguments for a bare `Vec`.
#[derive(Debug, Clone)]
pub(super) struct CpuList(pub(super) Vec<usize>);

pub(super) fn cpu_list(text: &str) -> Result<CpuList, loadgen::LoadError> {
    Ok(CpuList(loadgen::parse_cpus(text)?.into_iter().map(|cpu| cpu as usize).collect()))
}
